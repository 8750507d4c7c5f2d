package persistence

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/theeye-dev/theeye/api/apikey"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/admin"
	"github.com/theeye-dev/theeye/services/internal/kit"
	"github.com/theeye-dev/theeye/services/internal/kube"
	"github.com/theeye-dev/theeye/services/internal/stream"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

var (
	idle   = uuid.MustParse("cccccccc-0000-4000-8000-000000000003") // suspended
	spare  = uuid.MustParse("dddddddd-0000-4000-8000-000000000004") // has sent nothing
	bygone = uuid.MustParse("eeeeeeee-0000-4000-8000-000000000005") // deleted
)

// court is an audience whose applications are in two namespaces of a real cluster, by whose RBAC people read.
type court struct {
	*audience
	cluster *testenv.Cluster
	home    string // namespace of web-shop and spare
	away    string // namespace of web-log and idle
	moved   atomic.Int64
	stopped atomic.Pointer[time.Time] // nil: the clock runs
	asked   atomic.Int64              // questions to the API server
	people  *kube.People
	reader  *Reader
	signing ed25519.PrivateKey

	failures [2]string // of web-shop, once fill was called
}

func newCourt(t testing.TB) *court {
	t.Helper()
	cluster := testenv.Kubernetes(t)
	c := &court{audience: newAudience(t), cluster: cluster, home: cluster.Namespace(t), away: cluster.Namespace(t)}
	for uid, at := range map[uuid.UUID][2]string{
		shop: {c.home, "web-shop"}, spare: {c.home, "spare"}, blog: {c.away, "web-log"}, idle: {c.away, "idle"},
	} {
		c.move(uid, at[0], at[1])
	}
	c.publishKeys()
	c.people = c.peopleOf(cluster.Admin())
	c.reader, c.url = c.serveCourt(c.people)
	return c
}

// now is the time for People, which a test moves.
func (c *court) now() time.Time {
	base := time.Now()
	if at := c.stopped.Load(); at != nil {
		base = *at
	}
	return base.Add(time.Duration(c.moved.Load()))
}

// forget lets everything end that is remembered of people.
func (c *court) forget() { c.moved.Add(int64(kube.GrantedFor)) }

// peopleOf asks an API server, and counts.
func (c *court) peopleOf(config *rest.Config) *kube.People {
	c.Helper()
	config = rest.CopyConfig(config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return counting{next, &c.asked} })
	asks, err := kube.NewPeopleClient(config)
	c.must(err)
	metrics, err := kube.NewMetrics(metricnoop.Meter{})
	c.must(err)
	return kube.NewPeople(asks, metrics, slog.New(slog.DiscardHandler), c.now)
}

type counting struct {
	next  http.RoundTripper
	count *atomic.Int64
}

func (t counting) RoundTrip(r *http.Request) (*http.Response, error) {
	t.count.Add(1)
	return t.next.RoundTrip(r)
}

// serveCourt serves the store to whom some people know, with an eraser that runs until the test's end.
func (c *court) serveCourt(who people, change ...func(*Reader)) (*Reader, string) {
	c.Helper()
	token, err := admin.Static(adminToken)
	c.must(err)
	observer, err := kit.NewObserver(slog.New(slog.DiscardHandler), metricnoop.Meter{}, false)
	c.must(err)
	e := c.eraser(c.store)
	ctx, cancel := context.WithCancel(context.WithoutCancel(c.Context()))
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	replays, err := NewReplayer(c.store, c.ring, time.Now, slog.New(slog.DiscardHandler), metricnoop.Meter{})
	c.must(err)
	r := &Reader{
		Replays: replays, Backlog: none{}, Store: c.store, Keys: c.ring, Admin: token, Operator: operator{}, People: who, Eraser: e,
		Retention: &Retention{Store: c.store, Now: time.Now, Log: slog.New(slog.DiscardHandler), Records: c.records}, Tail: c.tail, Now: time.Now,
	}
	for _, change := range change {
		change(r)
	}
	server := httptest.NewServer(Handler(r, observer))
	c.Cleanup(func() {
		server.Close()
		cancel()
		c.must(<-ended)
	})
	return r, server.URL
}

// none waits.
type none struct{}

func (none) Measured() (stream.Backlog, time.Time, bool) { return stream.Backlog{}, time.Now(), true }

func (c *court) records(context.Context) (map[uuid.UUID]*registry.Application, error) {
	all := map[uuid.UUID]*registry.Application{}
	for _, applications := range c.ring.Namespaces() {
		for _, a := range applications {
			all[a.UID] = a
		}
	}
	return all, nil
}

// move writes an application's record into a namespace, and waits until it is known there.
func (c *court) move(uid uuid.UUID, namespace, name string) {
	c.Helper()
	key := apikey.New("test", apikey.ClientID(uid), "1")
	c.keys[uid] = key
	c.change(registry.Application{
		UID: uid, Namespace: namespace, Name: name, ClientID: apikey.ClientID(uid), Revision: 2, Policy: registry.Policy{Suspended: uid == idle},
		Credentials: []registry.Credential{{ID: "1", SHA256: registry.Digest(apikey.HashOf(key))}},
	})
	c.until("the record is followed", func() bool {
		a := c.ring.Application(namespace + "/" + name)
		return a != nil && a.UID == uid
	})
}

// until polls until something is so.
func (c *court) until(what string, so func() bool) {
	c.Helper()
	deadline, tick := time.NewTimer(time.Minute), time.NewTicker(10*time.Millisecond)
	defer deadline.Stop()
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-deadline.C:
			c.Fatalf("never: %s", what)
		}
	}
}

const tokenIssuer = "https://auth.example.com"

// publishKeys puts the key that signs access tokens into the log, as auth does.
func (c *court) publishKeys() {
	c.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	c.must(err)
	c.signing = private
	record, err := json.Marshal(registry.SigningKeys{Revision: 1, Keys: []registry.SigningKey{
		{ID: "first", Issuer: tokenIssuer, PublicKey: public, NotAfter: time.Now().Add(time.Hour)},
	}})
	c.must(err)
	c.must(c.redis.Eval(c.Context(), `
		local tail = redis.call('HGET', KEYS[2], 'tail') or '0-0'
		local id = redis.call('XADD', KEYS[1], '*', 'keys', ARGV[1], 'previous', tail)
		return redis.call('HSET', KEYS[2], 'keys', ARGV[1], 'tail', id)`,
		[]string{registry.LogKey, registry.LatestKey}, record).Err())
}

// accessToken of an application for a scope.
func (c *court) accessToken(uid uuid.UUID, scope registry.Scope) string {
	c.Helper()
	now, a := time.Now(), c.ring.Application(uid.String())
	header, err := json.Marshal(map[string]any{"alg": "EdDSA", "typ": registry.TokenType, "kid": "first"})
	c.must(err)
	payload, err := json.Marshal(registry.TokenClaims{
		Issuer: tokenIssuer, Subject: a.ClientID, ClientID: a.ClientID, Audience: registry.TokenAudience, ID: "jti",
		IssuedAt: now.Unix(), Expires: now.Add(registry.TokenLife).Unix(), Scope: string(scope),
		Credential: a.Credentials[0].ID, Key: a.Credentials[0].SHA256.Mark(),
	})
	c.must(err)
	encode := base64.RawURLEncoding.EncodeToString
	text := encode(header) + "." + encode(payload)
	return text + "." + encode(ed25519.Sign(c.signing, []byte(text)))
}

// person makes a service account, which is to Kubernetes what a person is, and returns its token.
func (c *court) person(name string) string {
	c.Helper()
	c.cluster.ServiceAccount(c, c.home, name)
	return c.cluster.Token(c, c.home, name, "")
}

// grant lets a person do something with applications/events in a namespace, or in all for "", with all applications or
// those of some names; it returns the binding when the cluster knows it.
func (c *court) grant(person, namespace string, can []Verb, names ...string) client.Object {
	c.Helper()
	k8s := c.cluster.Client(c)
	meta := metav1.ObjectMeta{GenerateName: "test-"}
	rule := rbacv1.PolicyRule{APIGroups: []string{"theeye.dev"}, Resources: []string{"applications/events"}, ResourceNames: names}
	for _, verb := range can {
		rule.Verbs = append(rule.Verbs, string(verb))
	}
	role := &rbacv1.ClusterRole{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{rule}}
	c.must(k8s.Create(c.Context(), role))
	ref := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name}
	subjects := []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: c.home, Name: person}}
	var binding client.Object = &rbacv1.ClusterRoleBinding{ObjectMeta: meta, RoleRef: ref, Subjects: subjects}
	if namespace != "" {
		meta.Namespace = namespace
		binding = &rbacv1.RoleBinding{ObjectMeta: meta, RoleRef: ref, Subjects: subjects}
	}
	c.must(k8s.Create(c.Context(), binding))
	c.Cleanup(func() {
		for _, o := range []client.Object{role, binding} {
			c.must(client.IgnoreNotFound(k8s.Delete(context.WithoutCancel(c.Context()), o)))
		}
	})
	name := ""
	if len(names) > 0 {
		name = names[0]
	}
	c.permitted(person, can[len(can)-1].permission(namespace, name), true)
	return binding
}

// permitted waits until the cluster allows something, or no longer.
func (c *court) permitted(person string, p kube.Permission, want bool) {
	c.Helper()
	request := httptest.NewRequest(http.MethodGet, "/", nil)
	request.Header.Set("Authorization", "Bearer "+c.cluster.Token(c, c.home, person, ""))
	user, err := c.people.Identify(c.Context(), request)
	c.must(err)
	c.until("the cluster knows of it", func() bool {
		c.forget()
		return (c.people.Allow(c.Context(), user, p) == nil) == want
	})
}

func serviceAccount(namespace, name string) *corev1.ServiceAccount {
	return &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
}
