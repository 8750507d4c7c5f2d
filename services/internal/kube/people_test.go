package kube_test

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric/noop"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/theeye-dev/theeye/services/internal/atonce"
	"github.com/theeye-dev/theeye/services/internal/fault"
	"github.com/theeye-dev/theeye/services/internal/kube"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// crowd is a People on a real API server, and what a test looks at it with.
type crowd struct {
	*testing.T
	*kube.People
	cluster *testenv.Cluster
	clock   clock
	wire    wire
}

func newCrowd(t *testing.T) *crowd {
	t.Helper()
	c := &crowd{T: t, cluster: testenv.Kubernetes(t), wire: wire{began: make(chan struct{}, 1000)}}
	config := rest.CopyConfig(c.cluster.Admin())
	config.Wrap(c.wire.wrap)
	asks, err := kube.NewPeopleClient(config)
	if err != nil {
		t.Fatal(err)
	}
	metrics, err := kube.NewMetrics(noop.Meter{})
	if err != nil {
		t.Fatal(err)
	}
	c.People = kube.NewPeople(asks, metrics, slog.New(slog.DiscardHandler), c.clock.Now)
	return c
}

func bearing(token string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}

func statusOf(err error) int {
	if err == nil {
		return http.StatusOK
	}
	return fault.ProblemOf(err).Status
}

func (c *crowd) identified(what, token string, want int) *kube.User {
	c.Helper()
	user, err := c.Identify(c.Context(), bearing(token))
	if got := statusOf(err); got != want {
		c.Errorf("%s: %d, want %d: %v", what, got, want, err)
	}
	return user
}

// bind gives a service account a cluster role, in a namespace or for "" in all.
func (c *crowd) bind(where, namespace, account string, rule rbacv1.PolicyRule) client.Object {
	c.Helper()
	k8s := c.cluster.Client(c)
	name := metav1.ObjectMeta{GenerateName: "test-"}
	role := &rbacv1.ClusterRole{ObjectMeta: name, Rules: []rbacv1.PolicyRule{rule}}
	if err := k8s.Create(c.Context(), role); err != nil {
		c.Fatal(err)
	}
	ref := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name}
	subjects := []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: account}}
	var binding client.Object = &rbacv1.ClusterRoleBinding{ObjectMeta: name, RoleRef: ref, Subjects: subjects}
	if where != "" {
		name.Namespace = where
		binding = &rbacv1.RoleBinding{ObjectMeta: name, RoleRef: ref, Subjects: subjects}
	}
	if err := k8s.Create(c.Context(), binding); err != nil {
		c.Fatal(err)
	}
	c.Cleanup(func() { _ = client.IgnoreNotFound(k8s.Delete(c.Context(), role)) })
	return binding
}

func reads(names ...string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{APIGroups: []string{"theeye.dev"}, Resources: []string{"applications/events"}, Verbs: []string{"get", "list"}, ResourceNames: names}
}

func permission(verb, namespace, name string) kube.Permission {
	return kube.Permission{Verb: verb, Group: "theeye.dev", Resource: "applications", Subresource: "events", Namespace: namespace, Name: name}
}

// eventually waits for an answer while what is remembered is forgotten: the API server reads roles from a watch.
func (c *crowd) eventually(user *kube.User, p kube.Permission, want int) {
	c.Helper()
	deadline, tick := time.NewTimer(time.Minute), time.NewTicker(50*time.Millisecond)
	defer deadline.Stop()
	defer tick.Stop()
	for {
		err := c.Allow(c.Context(), user, p)
		if statusOf(err) == want {
			return
		}
		select {
		case <-tick.C:
			c.clock.Advance(kube.GrantedFor)
		case <-deadline.C:
			c.Fatalf("%s: still %v, want %d", p, err, want)
		}
	}
}

// TestWhoPeopleAre reviews the tokens that people have.
func TestWhoPeopleAre(t *testing.T) {
	t.Parallel()
	c := newCrowd(t)
	namespace := c.cluster.Namespace(t)
	c.cluster.ServiceAccount(t, namespace, "jane")
	token := c.cluster.Token(t, namespace, "jane", "")
	if user := c.identified("for the API server", token, 200); user != nil && user.Name != testenv.Username(namespace, "jane") {
		t.Errorf("it is %s", user.Name)
	}
	_ = c.identified("for TheEye", c.cluster.Token(t, namespace, "jane", kube.AudiencePersistence), 200)
	_ = c.identified("for somebody else", c.cluster.Token(t, namespace, "jane", kube.AudienceAuth), 401)
	_ = c.identified("no token of any kind", "sha256~opaque", 401)
	head, payload, signature := split(token)
	_ = c.identified("another's signature", head+"."+payload+"."+strings.Repeat("A", len(signature)), 401)
	asked := c.wire.reviews()
	for range 3 {
		_ = c.identified("remembered", token, 200)
		_ = c.identified("remembered as unknown", "sha256~opaque", 401)
	}
	_ = c.identified("far too long", strings.Repeat("A", 17<<10), 401)
	if _, err := c.Identify(atonce.Context(t.Context()), bearing("sha256~other")); statusOf(err) != 401 {
		t.Errorf("at once: %v", err)
	}
	if n := c.wire.reviews(); n != asked {
		t.Errorf("%d further questions", n-asked)
	}
	c.clock.Advance(kube.DeniedFor)
	_ = c.identified("forgotten", "sha256~opaque", 401)
	c.clock.Advance(kube.GrantedFor)
	_ = c.identified("forgotten", token, 200)
	if n := c.wire.reviews(); n != asked+2 {
		t.Errorf("%d further questions, want 2", n-asked)
	}
}

// TestRBACDecides what people may, where, and for how long after it has changed.
func TestRBACDecides(t *testing.T) {
	t.Parallel()
	c := newCrowd(t)
	home, other := c.cluster.Namespace(t), c.cluster.Namespace(t)
	c.cluster.ServiceAccount(t, home, "jane")
	jane := c.identified("jane", c.cluster.Token(t, home, "jane", ""), 200)
	binding := c.bind(home, home, "jane", reads())
	_ = c.bind(other, home, "jane", reads("web"))
	c.eventually(jane, permission("list", home, ""), 200)
	c.eventually(jane, permission("get", other, "web"), 200)
	for p, want := range map[kube.Permission]int{
		permission("get", other, ""):         403, // what is remembered about a name is about that name
		permission("get", other, "web"):      200,
		permission("get", other, "other"):    403,
		permission("get", home, "any"):       200,
		permission("delete", home, ""):       403,
		permission("list", "", ""):           403,
		permission("list", other, ""):        403,
		permission("list", other, "app"):     403,
		permission("list", "nowhere", "app"): 403,
	} {
		err := c.Allow(t.Context(), jane, p)
		if statusOf(err) != want || err != nil && !strings.Contains(err.Error(), p.Verb+" on applications/events (theeye.dev) in ") {
			t.Errorf("%+v: %v, want %d", p, err, want)
		}
	}

	if err := c.cluster.Client(t).Delete(t.Context(), binding); err != nil {
		t.Fatal(err)
	}
	c.eventually(jane, permission("list", home, ""), 403)
}

// TestDecisionsAboutPeopleAreRemembered shortly, refusals more shortly, and are asked for once.
func TestDecisionsAboutPeopleAreRemembered(t *testing.T) {
	t.Parallel()
	c := newCrowd(t)
	home := c.cluster.Namespace(t)
	c.cluster.ServiceAccount(t, home, "jane")
	jane := c.identified("jane", c.cluster.Token(t, home, "jane", ""), 200)
	_ = c.bind(home, home, "jane", reads())
	allowed, denied := permission("list", home, ""), permission("delete", home, "")
	c.eventually(jane, allowed, 200)
	c.clock.Advance(kube.GrantedFor)

	before, hold := c.wire.reviews(), make(chan struct{})
	for len(c.wire.began) > 0 {
		<-c.wire.began
	}
	c.wire.set(hold, nil)
	var wg sync.WaitGroup
	ask := func() {
		if err := c.Allow(t.Context(), jane, allowed); err != nil {
			t.Error(err)
		}
	}
	wg.Go(ask)
	<-c.wire.began
	for range 49 {
		wg.Go(ask)
	}
	close(hold)
	wg.Wait()
	count := func(what string, want int) {
		t.Helper()
		if n := c.wire.reviews() - before; n != want {
			t.Errorf("%s: %d questions, want %d", what, n, want)
		}
	}
	count("50 at once", 1)
	_ = c.Allow(t.Context(), jane, denied)
	_ = c.Allow(t.Context(), jane, denied)
	count("one that is missing", 2)
	c.clock.Advance(kube.DeniedFor)
	_ = c.Allow(t.Context(), jane, denied)
	_ = c.Allow(t.Context(), jane, allowed)
	count("after the time of refusals", 3)
	c.clock.Advance(kube.GrantedFor - kube.DeniedFor)
	_ = c.Allow(t.Context(), jane, allowed)
	count("after that of permissions", 4)
}

// TestSilentAPIServerAllowsNothing but what it has just allowed.
func TestSilentAPIServerAllowsNothing(t *testing.T) {
	t.Parallel()
	c := newCrowd(t)
	home := c.cluster.Namespace(t)
	c.cluster.ServiceAccount(t, home, "jane")
	token := c.cluster.Token(t, home, "jane", "")
	jane := c.identified("jane", token, 200)
	_ = c.bind(home, home, "jane", reads())
	c.eventually(jane, permission("list", home, ""), 200)
	_ = c.identified("jane", token, 200)
	c.wire.set(nil, errors.New("cut"))
	if err := c.Allow(t.Context(), jane, permission("list", home, "")); err != nil {
		t.Errorf("remembered: %v", err)
	}
	if err := c.Allow(t.Context(), jane, permission("get", home, "")); statusOf(err) != 503 {
		t.Errorf("not remembered: %v", err)
	}
	c.clock.Advance(kube.GrantedFor)
	if err := c.Allow(t.Context(), jane, permission("list", home, "")); statusOf(err) != 503 {
		t.Errorf("forgotten: %v", err)
	}
	_ = c.identified("forgotten", token, 503)
	c.wire.set(nil, nil)
	_ = c.identified("back", token, 200)
	if err := c.Allow(t.Context(), jane, permission("list", home, "")); err != nil {
		t.Errorf("back: %v", err)
	}
}
