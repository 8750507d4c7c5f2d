package operator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/api/v1alpha1"
)

// fault is what becomes of a request; the zero value: it is answered.
type fault struct {
	err     error // the answer
	happens bool  // it takes effect all the same
}

var (
	errInjected = errors.New("injected fault")
	prevented   = fault{err: errInjected}
	unheard     = fault{err: errInjected, happens: true}
)

// reading begins the names of requests that change nothing.
const reading = "read "

// saboteur stands between an operator and all whom it asks. It decides what becomes of every request, and holds each
// that changes something against the promises that no moment may break.
type saboteur struct {
	auth    registrar
	archive archive
	now     func() time.Time

	mu      sync.Mutex
	decide  func(request string) fault // nil: everything is answered
	history []string                   // of what changes something, since decide was set
	held    map[uuid.UUID]heldKey
	revoked map[uuid.UUID]time.Time // when an application's last credential was revoked
	broken  []string                // promises
}

// heldKey is a key that a client has and that has to stay valid until a moment.
type heldKey struct {
	sha256 registry.Digest
	until  time.Time
}

// sabotage puts a saboteur into a world's options, before its operator starts.
func sabotage(o *Options) *saboteur {
	s := &saboteur{
		auth: o.Auth, archive: o.Persistence, now: o.Now,
		held: map[uuid.UUID]heldKey{}, revoked: map[uuid.UUID]time.Time{},
	}
	o.Auth, o.Persistence = sabotagedAuth{s}, sabotagedArchive{s}
	o.Wrap = func(c client.Client) client.Client { return sabotagedClient{c, s} }
	return s
}

// order decides from now on; nil: everything is answered.
func (s *saboteur) order(decide func(request string) fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.decide, s.history = decide, nil
}

// hold watches over a key that a client has; the zero time: over none.
func (s *saboteur) hold(app *v1alpha1.Application, key string, until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.held, app.UUID())
	if !until.IsZero() {
		s.held[app.UUID()] = heldKey{digest(key), until}
	}
}

// report returns what was done since order, and the promises that were broken, ever.
func (s *saboteur) report() (history, broken []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.history), slices.Clone(s.broken)
}

func (s *saboteur) blame(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = append(s.broken, fmt.Sprintf(format, args...)+" after "+strings.Join(s.history, ", "))
}

func (s *saboteur) request(name string, do func() error) error {
	s.mu.Lock()
	f := fault{}
	if s.decide != nil {
		f = s.decide(name)
	}
	if !strings.HasPrefix(name, reading) {
		s.history = append(s.history, fmt.Sprintf("%s (%+v)", name, f))
	}
	s.mu.Unlock()
	if f.err != nil && !f.happens {
		return f.err
	}
	if err := do(); err != nil {
		return err
	}
	return f.err
}

// change is a request that changes what auth has.
func (s *saboteur) change(name string, uid uuid.UUID, do func() error) error {
	return s.request(name, func() error {
		if err := do(); err != nil {
			return err
		}
		s.inspect(uid)
		return nil
	})
}

// inspect holds auth's record against what no moment may break: two live credentials at most, clients' keys among them.
func (s *saboteur) inspect(uid uuid.UUID) {
	record, err := s.auth.Application(context.Background(), uid)
	if err != nil || record == nil {
		return
	}
	live := slices.DeleteFunc(slices.Clone(record.Credentials), func(c registry.Credential) bool {
		return c.NotAfter != nil && !s.now().Before(*c.NotAfter)
	})
	if len(live) > 2 {
		s.blame("%d live credentials: %+v", len(live), live)
	}
	s.mu.Lock()
	held, ok := s.held[uid]
	if len(live) == 0 {
		s.revoked[uid] = s.now()
	}
	s.mu.Unlock()
	valid := slices.ContainsFunc(live, func(c registry.Credential) bool {
		return c.SHA256 == held.sha256 && (c.NotAfter == nil || !c.NotAfter.Before(held.until))
	})
	if ok && s.now().Before(held.until) && !valid {
		s.blame("the key that clients have is not valid until %s: %+v", held.until, live)
	}
}

// publishing holds a Secret that is about to be written against auth: it must know the key already.
func (s *saboteur) publishing(owner string, data map[string][]byte) {
	uid, err := uuid.Parse(owner)
	if err != nil {
		s.blame("a Secret of %q", owner)
		return
	}
	record, err := s.auth.Application(context.Background(), uid)
	if err != nil {
		return // auth is away, and was told before
	}
	if record == nil || !slices.ContainsFunc(record.Credentials, func(c registry.Credential) bool {
		return c.SHA256 == digest(string(data[v1alpha1.KeyAPIKey]))
	}) || string(data[v1alpha1.KeyClientID]) != record.ClientID {
		s.blame("a Secret with client id %s and a key that auth does not know: %+v", data[v1alpha1.KeyClientID], record)
	}
}

// sabotagedClient is the client that writes.
type sabotagedClient struct {
	client.Client
	s *saboteur
}

func (c sabotagedClient) Create(ctx context.Context, o client.Object, options ...client.CreateOption) error {
	if secret, ok := o.(*corev1.Secret); ok && secret.Labels[v1alpha1.SecretLabel] == v1alpha1.SecretIssued {
		c.s.publishing(string(secret.OwnerReferences[0].UID), secret.Data)
	}
	return c.s.request("create "+o.GetName(), func() error { return c.Client.Create(ctx, o, options...) })
}

func (c sabotagedClient) Apply(ctx context.Context, o runtime.ApplyConfiguration, options ...client.ApplyOption) error {
	secret, ok := o.(*corev1ac.SecretApplyConfiguration)
	if !ok {
		return fmt.Errorf("apply of %T", o)
	}
	c.s.publishing(string(*secret.OwnerReferences[0].UID), secret.Data)
	return c.s.request("apply "+*secret.Name, func() error { return c.Client.Apply(ctx, o, options...) })
}

func (c sabotagedClient) Patch(ctx context.Context, o client.Object, patch client.Patch, options ...client.PatchOption) error {
	return c.s.request("patch "+o.GetName(), func() error { return c.Client.Patch(ctx, o, patch, options...) })
}

func (c sabotagedClient) Delete(ctx context.Context, o client.Object, options ...client.DeleteOption) error {
	return c.s.request("delete "+o.GetName(), func() error { return c.Client.Delete(ctx, o, options...) })
}

func (c sabotagedClient) Status() client.SubResourceWriter {
	return sabotagedStatus{c.Client.Status(), c.s}
}

type sabotagedStatus struct {
	client.SubResourceWriter
	s *saboteur
}

func (w sabotagedStatus) Apply(ctx context.Context, o runtime.ApplyConfiguration, options ...client.SubResourceApplyOption) error {
	return w.s.request("apply status", func() error { return w.SubResourceWriter.Apply(ctx, o, options...) })
}
