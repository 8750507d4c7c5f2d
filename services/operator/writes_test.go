package operator

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/theeye-dev/theeye/api/v1alpha1"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// accounted is a world whose operator has a name of its own, so that its requests can be told from others', and whose
// requests to auth are counted.
type accounted struct {
	*world
	cluster *testenv.Cluster
	user    string
	looks   atomic.Int64
	asked   atomic.Int64 // requests to auth
}

func newAccounted(t *testing.T, change ...func(*Options)) *accounted {
	t.Helper()
	a := &accounted{cluster: testenv.Kubernetes(t)}
	a.world = newWorld(t, append(change, counted(&a.looks))...)
	a.stop()
	a.user = testenv.Username(a.namespace, "operator")
	a.config = a.cluster.As(t, a.namespace, "operator")
	binding := &rbacv1.ClusterRoleBinding{ // of all rights: what it may do is another test's
		ObjectMeta: metav1.ObjectMeta{GenerateName: "accounted-"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: a.namespace, Name: "operator"}},
	}
	if err := a.client.Create(t.Context(), binding); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.client.Delete(context.Background(), binding); err != nil { // the test's own context is over
			t.Error(err)
		}
	})
	a.options.Auth = Auth{NewRemote("auth", a.auth.URL, func() (string, error) { return adminToken, nil }, counting{&a.asked})}
	a.start()
	return a
}

// counting counts requests.
type counting struct{ n *atomic.Int64 }

// RoundTrip implements http.RoundTripper.
func (c counting) RoundTrip(r *http.Request) (*http.Response, error) {
	c.n.Add(1)
	return http.DefaultTransport.RoundTrip(r)
}

// requests are what the operator has asked of the API server so far. Watches are renewed when they please.
func (a *accounted) requests() (all, statuses int) {
	a.t.Helper()
	for _, r := range a.cluster.Requests(a.t, a.user) {
		switch {
		case r.Verb == "watch" || r.Resource == "":
			continue
		case r.Subresource == "status":
			statuses++
		}
		all++
	}
	return all, statuses
}

// calm waits until an Application is settled and nothing is left to be asked about it.
func (a *accounted) calm(app *v1alpha1.Application) {
	a.t.Helper()
	for before := int64(-1); before != a.asked.Load(); {
		before = a.asked.Load()
		a.reconcile(app, &a.looks)
	}
}

// When nothing changes, nobody is asked anything: neither the API server nor auth, however often it is looked at. A
// restart asks auth once, reads the lists, and writes nothing.
func TestNothingChangesNothingIsAsked(t *testing.T) {
	t.Parallel()
	a := newAccounted(t)
	app, _ := a.ready(a.apply("shop", rotating("720h", "24h"), declares([2]string{"view", goodSchema})))
	a.calm(app)
	a.awaitEvent(app, corev1.EventTypeNormal, whyIssued, "")
	all, statuses := a.requests()
	asked := a.asked.Load()
	if all == 0 || statuses == 0 || asked == 0 {
		t.Fatalf("%d requests, %d of them of status, %d to auth: the count is wrong", all, statuses, asked)
	}
	const times = 20
	for range times {
		a.reconcile(app, &a.looks)
	}
	if now, _ := a.requests(); now != all || a.asked.Load() != asked {
		t.Errorf("%d reconciliations cost %d requests to the API server and %d to auth", times, now-all, a.asked.Load()-asked)
	}

	a.stop()
	before := len(writes(a.cluster.Requests(t, a.user)))
	a.start()
	a.reconcile(app, &a.looks)
	a.calm(app)
	if now := writes(a.cluster.Requests(t, a.user)); len(now) != before {
		t.Errorf("a restart wrote %+v", now[before:])
	}
	if got := a.asked.Load() - asked; got != 1 {
		t.Errorf("a restart asked auth %d times, want once", got)
	}
}

// A labelled existing Secret is seen when it changes: time alone costs no request.
func TestWatchedSecretIsNotPolled(t *testing.T) {
	t.Parallel()
	a := newAccounted(t)
	app := a.apply("shop", brings("own"))
	key := ownKey(app, "1")
	a.put("own", corev1.SecretTypeOpaque, map[string]string{v1alpha1.KeyAPIKey: key}, inSight)
	a.awaitKey(app, key)
	a.calm(app)
	a.awaitEvent(app, corev1.EventTypeNormal, whyIssued, "")
	all, _ := a.requests()
	asked := a.asked.Load()
	for range 5 {
		a.clock.advance(a.options.PollInterval)
		a.reconcile(app, &a.looks)
	}
	if now, _ := a.requests(); now != all || a.asked.Load() != asked {
		t.Errorf("it cost %d requests to the API server and %d to auth", now-all, a.asked.Load()-asked)
	}
}

// writes are the requests that change something.
func writes(requests []testenv.Request) []testenv.Request {
	var found []testenv.Request
	for _, r := range requests {
		if r.Verb != "get" && r.Verb != "list" && r.Verb != "watch" {
			found = append(found, r)
		}
	}
	return found
}

// Usage is asked for once in its interval, and written when it has changed.
func TestUsageIsWrittenGently(t *testing.T) {
	t.Parallel()
	a := newAccounted(t, func(o *Options) { o.UsageInterval = 5 * time.Minute })
	app, _ := a.ready(a.apply("shop"))
	a.clock.advance(a.options.UsageInterval) // its own moment has come by then
	a.calm(app)
	_, statuses := a.requests()
	asked := a.usageAsked()
	for round := range 3 {
		a.archive.set(func(f *fakeArchive) { f.usage.Accepted24h = int64(round/2 + 1) }) // 1, 1, 2
		for range 4 {
			a.clock.advance(a.options.UsageInterval/4 - time.Second)
			a.reconcile(app, &a.looks)
		}
		if got := a.usageAsked(); got != asked+round {
			t.Errorf("round %d: asked %d times within the interval", round, got-asked-round)
		}
		a.clock.advance(4 * time.Second)
		a.reconcile(app, &a.looks)
		if got := a.usageAsked(); got != asked+round+1 {
			t.Errorf("round %d: asked %d times in an interval, want once", round, got-asked-round)
		}
	}
	if _, now := a.requests(); now != statuses+2 {
		t.Errorf("the status was written %d times, want 2", now-statuses)
	}
}

func (a *accounted) usageAsked() int {
	a.archive.mu.Lock()
	defer a.archive.mu.Unlock()
	return a.archive.asked
}

// A status that somebody edited breaks nothing: what the operator writes there is right again with the next change.
func TestStatusEditedByHand(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	app, secret := w.ready(w.apply("shop"))
	w.eventually(func() error {
		current, err := w.read(app)
		if err != nil {
			return err
		}
		current.Status = v1alpha1.ApplicationStatus{
			ObservedGeneration: 99, ClientID: "eye_wrong", NextRotation: &metav1.Time{Time: time.Unix(0, 0)},
			Credentials: []v1alpha1.CredentialStatus{{ID: "x", State: v1alpha1.CredentialActive}, {ID: "7", State: v1alpha1.CredentialExpiring}},
		}
		return w.client.Status().Update(t.Context(), current)
	})
	w.change(app, func(a *v1alpha1.Application) { a.Spec.DisplayName = "Shop" })
	current, _ := w.ready(app)
	if current.Status.ClientID != app.ClientID() || !slices.Contains(shown(current), shown(app)[0]) {
		t.Errorf("status is %+v", current.Status)
	}
	w.untouched(secret)
	w.rotate(app, "please")
	w.otherKey(app, keyOf(secret))
	end := secondAfter(w, v1alpha1.DefaultOverlap)
	w.awaitLive(app, until("1", &end), "8") // after the highest that was ever seen
}

// What kubectl waits for comes, and not before the operator has seen the resource.
func TestKubectlWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.stop()
	app := w.apply("shop")
	if app.Status.ObservedGeneration != -1 {
		t.Errorf("a newborn has observedGeneration %d", app.Status.ObservedGeneration)
	}
	w.start()
	cluster := testenv.Kubernetes(t)
	cluster.Kubectl(t, "wait", "--for=condition=Ready", "--timeout="+patience.String(), "-n", w.namespace, "eyeapp/shop")
	if current, _ := w.ready(app); current.Status.ObservedGeneration != current.Generation {
		t.Errorf("observedGeneration is %d of %d", current.Status.ObservedGeneration, current.Generation)
	}
	w.awaitEvent(app, corev1.EventTypeNormal, whyIssued, "shop-theeye")
}

// safeBuffer is a bytes.Buffer that many may write to.
type safeBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

// Write implements io.Writer.
func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}

// No secret is told: not in logs, of every level, nor in events, nor in the resource.
func TestNoSecretIsTold(t *testing.T) {
	t.Parallel()
	var log safeBuffer
	w := newWorld(t, func(o *Options) {
		o.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug - 8}))
	})
	app, first := w.ready(w.apply("shop"))
	w.rotate(app, "please")
	second := w.otherKey(app, keyOf(first))
	w.awaitEvent(app, corev1.EventTypeNormal, whyRotated, "")
	w.auth.Kill() // errors tell more than success
	w.change(app, func(a *v1alpha1.Application) { a.Spec.DisplayName = "Shop" })
	w.await(app, v1alpha1.ConditionRegistered, metav1.ConditionFalse, v1alpha1.ReasonAuthUnavailable)
	w.awaitEvent(app, corev1.EventTypeWarning, v1alpha1.ReasonAuthUnavailable, "")
	w.stop()
	if log.String() == "" {
		t.Error("nothing was logged")
	}
	for _, key := range []string{keyOf(first), keyOf(second)} {
		w.tellsNothing(app, key)
		if strings.Contains(log.String(), key) {
			t.Error("a key is in the log")
		}
	}
}
