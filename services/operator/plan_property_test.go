package operator

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	corev1 "k8s.io/api/core/v1"
	"pgregory.net/rapid"

	"github.com/theeye-dev/theeye/api/apikey"
	"github.com/theeye-dev/theeye/api/v1alpha1"
)

// Whatever happens to the cluster, to auth and to the operator, in whatever order: the plan comes to its end, and no
// client that may be served is refused on the way.
func TestPlanHolds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(t)
		p := &play{m: m, o: newOracle(m)}
		for i := range 3 {
			p.own = append(p.own, apikey.New("own", m.app.ClientID(), string(rune('a'+i))))
		}
		t.Repeat(map[string]func(*rapid.T){
			"":                         p.check,
			"reconcile":                p.reconcile,
			"next deadline":            p.deadline,
			"time":                     p.time,
			"crash":                    p.crash,
			"rotate":                   p.rotate,
			"change rotation":          p.changeRotation,
			"change source":            p.changeSource,
			"change secretName":        p.changeName,
			"suspend":                  func(*rapid.T) { m.app.Generation++; m.app.Spec.Suspended = !m.app.Spec.Suspended; p.byHand() },
			"edit Secret":              p.editSecret,
			"delete Secret":            p.deleteSecret,
			"lose auth":                p.loseAuth,
			"revoke by hand":           p.revoke,
			"foreign Secret comes":     p.foreignComes,
			"foreign Secret goes":      p.foreignGoes,
			"existing Secret changes":  p.existingChanges,
			"existing Secret vanishes": func(*rapid.T) { delete(m.secrets, "own"); p.byHand() },
		})
		p.foreignGoes(t)
		p.reconcile(t) // it always ends well, or says whom it waits for
	})
}

// play is what may happen, one command a method.
type play struct {
	m    *model
	o    *oracle
	own  []string // keys for the existing Secret
	last Decision // of the last run that came to its end
	sure bool     // nothing has happened since but time
	lost bool     // something was lost by hand since
}

func (p *play) check(*rapid.T) { p.o.check() }

func (p *play) reconcile(*rapid.T) {
	p.o.starts()
	_, p.last = p.m.settle()
	p.sure, p.lost = true, false
	p.o.settled(&p.last)
}

func (p *play) deadline(t *rapid.T) {
	if !p.sure || p.last.Next.IsZero() {
		t.Skip("there is none")
	}
	p.m.now = p.last.Next
	p.reconcile(t)
}

func (p *play) time(t *rapid.T) {
	d := time.Duration(rapid.Int64Range(1, 72*3600).Draw(t, "seconds")) * time.Second
	at := p.m.now.Add(d)
	if p.sure {
		p.o.still(&p.last, at)
	}
	if p.sure && !p.last.Next.IsZero() && at.After(p.last.Next) { // an operator that runs does not miss its deadlines
		p.deadline(t)
		return
	}
	p.m.now = at
}

// crash cuts a run off after some of its steps; then the operator has forgotten everything.
func (p *play) crash(t *rapid.T) {
	p.o.starts()
	_, p.last, _ = p.m.reconcile(rapid.IntRange(0, 8).Draw(t, "steps"))
	p.m.known = recollection{}
	p.sure = false
}

func (p *play) rotate(t *rapid.T) {
	p.m.rotate(rapid.SampledFrom([]string{"", "one", "two", "three"}).Draw(t, "request"))
	p.sure = false
}

func (p *play) changeRotation(t *rapid.T) {
	hours := rapid.SampledFrom([]int{-1, 1, 24, 48})
	interval, overlap := hours.Draw(t, "interval"), rapid.SampledFrom([]int{-1, 0, 1, 24}).Draw(t, "overlap")
	if interval > 0 && overlap > interval {
		t.Skip("the API server refuses it")
	}
	before := p.m.app.RotationOverlap()
	p.m.rotation(time.Duration(interval)*time.Hour, time.Duration(overlap)*time.Hour)
	p.o.shortened(before, p.m.app.RotationOverlap())
	p.sure = false
}

func (p *play) changeSource(t *rapid.T) {
	p.m.credentials().ExistingSecret = rapid.SampledFrom([]string{"", "own"}).Draw(t, "existingSecret")
	p.sure = false
}

func (p *play) changeName(t *rapid.T) {
	for _, secret := range p.m.secrets {
		if len(secret.OwnerReferences) > 0 && (secret.Labels[v1alpha1.SecretLabel] == "" || readBook(secret) == nil) {
			t.Skip("under a name that the spec does not have, it cannot be known again")
		}
	}
	if p.m.secrets[p.m.app.CandidateName()] != nil {
		t.Skip("nothing tells of a candidate under another name that nobody has it")
	}
	p.o.blurred = true // under another name, a candidate is none
	p.m.credentials().SecretName = rapid.SampledFrom([]string{"", "other"}).Draw(t, "secretName")
	p.byHand()
}

// lose lets one thing be lost between two runs: when the Secret and what auth knew of it are gone both, no plan can tell.
func (p *play) lose(t *rapid.T) {
	if p.lost {
		t.Skip("one loss at a time")
	}
	p.lost = true
}

func (p *play) editSecret(t *rapid.T) {
	name := p.m.app.SecretName()
	if rapid.Bool().Draw(t, "candidate") {
		name = p.m.app.CandidateName()
	}
	what := rapid.SampledFrom([]string{"label", "annotation", "key", "both keys", "uri"}).Draw(t, "what")
	if v := p.m.view(true); !v.ours(p.m.secrets[name]) || len(v.Strays) > 0 {
		t.Skip("there is none, or two of which nothing would tell the newer one")
	}
	p.lose(t)
	p.tear(name)
	p.m.edit(name, func(s *corev1.Secret) {
		switch what {
		case "label":
			delete(s.Labels, v1alpha1.SecretLabel)
		case "annotation":
			delete(s.Annotations, v1alpha1.CredentialsAnnotation)
		case "both keys":
			delete(s.Data, v1alpha1.KeyClientSecret)
			fallthrough
		case "key":
			s.Data[v1alpha1.KeyAPIKey] = []byte("edited")
		default:
			delete(s.Data, v1alpha1.KeyURI)
		}
	})
	p.byHand()
}

func (p *play) deleteSecret(t *rapid.T) {
	name := rapid.SampledFrom([]string{modelIssued, modelNext, "other", "other-next"}).Draw(t, "name")
	p.lose(t)
	p.tear(name)
	delete(p.m.secrets, name)
	p.byHand()
}

// tear notes that a candidate is lost.
func (p *play) tear(name string) {
	if strings.HasSuffix(name, "-next") {
		p.o.blurred = true
		p.o.torn = p.o.torn || p.m.secrets[name] != nil
	}
}

func (p *play) loseAuth(t *rapid.T) {
	p.lose(t)
	p.m.auth, p.o.shaken = nil, true
	p.byHand()
}

func (p *play) revoke(t *rapid.T) {
	if p.m.auth == nil || len(p.m.auth.Credentials) == 0 {
		t.Skip("auth has none")
	}
	p.lose(t)
	ids := make([]string, 0, 2)
	for _, c := range p.m.auth.Credentials {
		ids = append(ids, c.ID)
	}
	p.m.dropCredential(rapid.SampledFrom(ids).Draw(t, "id"))
	p.o.shaken = true
	p.byHand()
}

func (p *play) foreignComes(t *rapid.T) {
	name := rapid.SampledFrom([]string{modelIssued, modelNext, "other", "other-next"}).Draw(t, "name")
	if p.m.secrets[name] != nil {
		t.Skip("the name is taken")
	}
	p.m.foreign(name, rapid.SampledFrom([]string{"", modelName, "another"}).Draw(t, "adopt"))
	p.byHand()
}

func (p *play) foreignGoes(*rapid.T) {
	for name, secret := range p.m.secrets {
		if name != "own" && len(secret.OwnerReferences) == 0 {
			delete(p.m.secrets, name)
		}
	}
	p.byHand()
}

func (p *play) existingChanges(t *rapid.T) {
	stranger := apikey.New("own", apikey.ClientID(uuid.Nil), "1")
	p.m.bring("own", rapid.SampledFrom(slices.Concat(p.own, []string{"", "malformed", stranger})).Draw(t, "key"))
	p.byHand()
}

// byHand says that something has changed that only the next run can mend.
func (p *play) byHand() { p.sure = false }
