package operator

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/theeye-dev/theeye/api/apikey"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/api/v1alpha1"
)

// failer is a test, or a check of a property.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// model is a cluster's namespace, an auth and a clock in memory, with one Application. Its effects are those of actor,
// and its auth keeps to the rules of the real one.
type model struct {
	t        failer
	app      *v1alpha1.Application
	secrets  map[string]*corev1.Secret
	wrote    map[types.UID]rendering // what the operator wrote last: a server-side apply takes back what it leaves out
	auth     *registry.Application
	known    recollection
	erased   bool
	now      time.Time
	serial   int
	settings Settings
	watch    func(v *View, step Step, done bool) // sees every step, before and after it is done
}

const modelName, modelIssued, modelNext = "web-shop", "web-shop-theeye", "web-shop-theeye-next"

// modelStart is when every model begins.
var modelStart = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) //nolint:gochecknoglobals // a constant

func newModel(t failer) *model {
	return &model{
		t: t, secrets: map[string]*corev1.Secret{}, wrote: map[types.UID]rendering{}, now: modelStart,
		app: &v1alpha1.Application{ObjectMeta: metav1.ObjectMeta{
			Namespace: "shop", Name: modelName, UID: "6f1d1f5e-0c1b-4b7e-9f57-0d4ad6a8a001", Generation: 1,
		}},
		settings: Settings{
			Cluster: "test", EventsURL: eventsURL, TokenURL: tokenURL, KeyEnv: "test",
			RevokeTimeout: time.Minute, PollInterval: 30 * time.Second,
		},
		watch: func(*View, Step, bool) {},
	}
}

// issuedModel is a model that is settled with credential 1.
func issuedModel(t testing.TB, edits ...func(*model)) *model {
	t.Helper()
	m := newModel(t)
	for _, edit := range edits {
		edit(m)
	}
	m.settle()
	return m
}

// view is what the gatherer would see: Secrets without the label only when it looks at the API server itself.
func (m *model) view(live bool) *View {
	v := &View{
		Application: m.app.DeepCopy(), Auth: m.record(), Now: m.now, RevokedAt: m.known.revokedAt,
		Issued: m.look(m.app.SecretName(), live), Candidate: m.look(m.app.CandidateName(), live),
		Faults: faults(m.app),
	}
	if name := m.app.ExistingSecret(); name != "" {
		v.Existing = m.look(name, true)
	}
	for _, name := range slices.Sorted(maps.Keys(m.secrets)) {
		if name != m.app.SecretName() && name != m.app.CandidateName() && v.ours(m.look(name, false)) {
			v.Strays = append(v.Strays, m.look(name, false))
		}
	}
	v.noteRevoked()
	return v
}

func (m *model) look(name string, live bool) *corev1.Secret {
	found := m.secrets[name]
	if found == nil || !live && found.Labels[v1alpha1.SecretLabel] == "" {
		return nil
	}
	return found.DeepCopy()
}

// record is auth's answer to a question.
func (m *model) record() *registry.Application {
	if m.auth == nil {
		return nil
	}
	record := *m.auth
	record.Credentials = slices.Clone(m.auth.Credentials)
	return &record
}

// settle reconciles to the end and returns what was done.
func (m *model) settle() (steps []string, d Decision) {
	m.t.Helper()
	steps, d, ended := m.reconcile(maxSteps)
	if !ended {
		m.t.Fatalf("the plan has no end: %s", strings.Join(steps, ", "))
	}
	return steps, d
}

// seen is what a reconciliation decides on: the API server is only asked when there may be something to do.
func (m *model) seen() *View {
	v := m.view(false)
	if Decide(v, &m.settings).Step != nil || v.Issued == nil {
		return m.view(true)
	}
	return v
}

// reconcile is Reconciler.Reconcile, ended by a crash after so many steps: then no status is written.
func (m *model) reconcile(limit int) (steps []string, d Decision, ended bool) {
	m.t.Helper()
	v := m.seen()
	d = Decide(v, &m.settings)
	m.known.revokedAt = v.RevokedAt
	for d.Step != nil {
		if len(steps) == limit {
			return steps, d, false
		}
		steps = append(steps, describe(d.Step))
		step := d.Step
		m.watch(v, step, false)
		m.do(v, step)
		m.watch(v, step, true)
		m.known.revokedAt = v.RevokedAt
		if m.app.UID == "" {
			return steps, d, true
		}
		d = Decide(v, &m.settings)
	}
	m.app.Status = statusOf(v, &d, &m.known)
	return steps, d, true
}

// do takes one step in the world, and brings the View up to it as actor does.
func (m *model) do(v *View, step Step) {
	m.t.Helper()
	switch s := step.(type) {
	case AddFinalizer:
		controllerutil.AddFinalizer(m.app, v1alpha1.Finalizer)
		v.Application = m.app.DeepCopy()
	case PutApplication:
		m.putApplication(s.Want)
		v.Auth = m.record()
	case PutCredential:
		m.putCredential(s.Credential)
		v.setCredential(s.Credential.ID, &s.Credential)
	case DeleteCredential:
		m.dropCredential(s.ID)
		v.setCredential(s.ID, nil)
	case CreateCandidate:
		key, entry := s.Key, s.Entry
		if key == "" {
			key = apikey.New(m.settings.KeyEnv, m.app.ClientID(), entry.ID)
			entry.SHA256 = digest(key)
		}
		v.Candidate = m.create(renderCandidate(m.app, key, entry))
	case Publish:
		if v.Issued == nil {
			v.Issued = m.create(s.Rendering)
		} else {
			v.Issued = m.apply(s.Rendering, v.Issued.UID)
		}
	case DeleteSecret:
		m.deleteSecret(v, s)
	case Erase:
		m.erased, v.Erased = true, true
	case DeleteApplication:
		m.auth, v.Auth = nil, nil
	case RemoveFinalizer:
		m.app = &v1alpha1.Application{}
	default:
		m.t.Fatalf("unknown step %T", step)
	}
}

func (m *model) putApplication(want registry.DesiredApplication) {
	if m.auth == nil {
		m.auth = &registry.Application{UID: m.app.UUID(), ClientID: m.app.ClientID()}
	}
	m.auth.Revision++
	m.auth.Namespace, m.auth.Name, m.auth.Policy = want.Namespace, want.Name, want.Policy
	m.auth.Cluster, m.auth.DeletionPolicy = want.Cluster, want.DeletionPolicy
}

// putCredential follows auth's: those past their end go, and times are those that its database and JSON keep.
func (m *model) putCredential(c registry.Credential) {
	m.t.Helper()
	if m.auth == nil {
		m.t.Fatalf("a credential for an application that auth does not know")
	}
	m.dropCredential(c.ID)
	m.auth.Credentials = slices.DeleteFunc(m.auth.Credentials, func(k registry.Credential) bool { return !m.live(k) })
	if c.NotAfter != nil {
		end := c.NotAfter.UTC().Truncate(time.Microsecond)
		c.NotAfter = &end
	}
	m.auth.Credentials = append(m.auth.Credentials, c)
	slices.SortFunc(m.auth.Credentials, func(a, b registry.Credential) int { return strings.Compare(a.ID, b.ID) })
}

func (m *model) dropCredential(id string) {
	m.auth.Revision++
	m.auth.Credentials = slices.DeleteFunc(slices.Clone(m.auth.Credentials), func(k registry.Credential) bool { return k.ID == id })
}

func (m *model) live(c registry.Credential) bool {
	return c.NotAfter == nil || m.now.Before(*c.NotAfter)
}

// put stores a Secret as the API server would.
func (m *model) put(secret *corev1.Secret) *corev1.Secret {
	m.serial++
	secret.Namespace, secret.ResourceVersion = m.app.Namespace, strconv.Itoa(m.serial)
	if secret.UID == "" {
		secret.UID = types.UID(uuid.NewSHA1(uuid.Nil, []byte(secret.ResourceVersion)).String())
	}
	m.secrets[secret.Name] = secret
	return secret.DeepCopy()
}

func (m *model) create(r rendering) *corev1.Secret {
	m.t.Helper()
	if m.secrets[r.name] != nil {
		m.t.Fatalf("Secret %s exists already", r.name)
	}
	created := m.put(r.object(m.app).DeepCopy())
	m.wrote[created.UID] = r
	return created
}

// apply is a server-side apply by the operator.
func (m *model) apply(r rendering, uid types.UID) *corev1.Secret {
	m.t.Helper()
	there := m.secrets[r.name]
	if there == nil || there.UID != uid || there.Type != v1alpha1.SecretType || there.Immutable != nil && *there.Immutable {
		m.t.Fatalf("Secret %s cannot be applied to", r.name)
	}
	before := m.wrote[uid]
	after := there.DeepCopy()
	after.Labels = overlay(there.Labels, before.labels, r.labels)
	after.Annotations = overlay(there.Annotations, before.annotations, r.annotations)
	after.Data = overlay(there.Data, before.data, r.data)
	after.OwnerReferences = r.object(m.app).OwnerReferences
	m.wrote[uid] = r
	return m.put(after)
}

// overlay replaces what was written by what is written.
func overlay[V any](all, before, now map[string]V) map[string]V {
	result := map[string]V{}
	maps.Copy(result, all)
	for name := range before {
		delete(result, name)
	}
	maps.Copy(result, now)
	return result
}

func (m *model) deleteSecret(v *View, s DeleteSecret) {
	if there := m.secrets[s.Name]; there != nil && there.UID == s.UID {
		delete(m.secrets, s.Name)
	}
	if v.Issued != nil && v.Issued.UID == s.UID {
		v.Issued = nil
	}
	if v.Candidate != nil && v.Candidate.UID == s.UID {
		v.Candidate = nil
	}
	v.Strays = slices.DeleteFunc(slices.Clone(v.Strays), func(stray *corev1.Secret) bool { return stray.UID == s.UID })
}
