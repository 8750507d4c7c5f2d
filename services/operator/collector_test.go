package operator

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/api/v1alpha1"
)

// collector returns one that nobody starts, as an operator that watches namespaces would have it; empty: all.
func (w *world) collector(cache, live client.Reader, namespaces ...string) *Collector {
	w.t.Helper()
	metrics, err := NewMetrics(prometheus.NewRegistry(), cache)
	if err != nil {
		w.t.Fatal(err)
	}
	doubts := make(chan event.TypedGenericEvent[*v1alpha1.Application])
	go func() { // a cache may have all other tests' Applications, to be doubted each time
		for {
			select {
			case <-doubts:
			case <-w.t.Context().Done():
				return
			}
		}
	}()
	return &Collector{
		cache: cache, live: live, auth: w.registrar, archive: w.archive, memory: newMemory(), settings: &w.options.Settings,
		writer: w.client, namespaces: namespaces, now: w.clock.Now, revoked: map[uuid.UUID]time.Time{}, released: map[types.UID]bool{},
		doubts: doubts, log: w.options.Log, metrics: metrics,
	}
}

// blind is a reader that has not seen anything yet, or cannot.
type blind struct {
	client.Reader
	err error
}

func (b blind) List(context.Context, client.ObjectList, ...client.ListOption) error { return b.err }

func (b blind) Get(context.Context, client.ObjectKey, client.Object, ...client.GetOption) error {
	return b.err
}

// register tells auth of an Application that no resource asks for.
func (w *world) register(cluster, namespace, name string) uuid.UUID {
	w.t.Helper()
	uid := uuid.New()
	want := registry.DesiredApplication{Cluster: cluster, Namespace: namespace, Name: name}
	if _, err := w.registrar.PutApplication(w.t.Context(), uid, want); err != nil {
		w.t.Fatal(err)
	}
	return uid
}

// registered tells whether auth has a record.
func (w *world) registered(uid uuid.UUID) bool {
	w.t.Helper()
	record, err := w.registrar.Application(w.t.Context(), uid)
	if err != nil {
		w.t.Fatal(err)
	}
	return record != nil
}

// A collector ends what is surely gone, and its own: nothing of another cluster, nothing that only its
// cache does not have, and nothing at all without the API server's word.
func TestCollectorEndsOnlyWhatIsGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	there, _ := w.ready(w.apply("there"))
	ours := w.options.Cluster
	gone := w.register(ours, w.namespace, "gone")
	namesake := w.register(ours, w.namespace, "there")
	elsewhere := w.register(ours, "elsewhere", "gone")
	others := w.register("another-cluster", w.namespace, "gone")
	nobodys := w.register("", w.namespace, "gone")
	for _, step := range []struct {
		name    string
		c       *Collector
		fails   bool
		ended   []uuid.UUID
		endures []uuid.UUID
	}{
		{"the API server is away", w.collector(w.client, blind{err: errInjected}), true, nil, []uuid.UUID{gone, namesake}},
		{"the cache is away", w.collector(blind{err: errInjected}, w.client), true, nil, []uuid.UUID{gone, namesake}},
		{"a namespaced operator", w.collector(blind{}, w.client, w.namespace), false, []uuid.UUID{gone, namesake, elsewhere}, nil},
	} {
		for range looks {
			if err := step.c.Compare(t.Context()); (err != nil) != step.fails {
				t.Errorf("%s: error %v", step.name, err)
			}
		}
		for _, uid := range step.ended {
			if w.registered(uid) {
				t.Errorf("%s: a record outlives its Application", step.name)
			}
		}
		for _, uid := range append(step.endures, there.UUID(), others, nobodys) {
			if !w.registered(uid) {
				t.Errorf("%s: a record was ended that should not be", step.name)
			}
		}
	}
}

// One record that cannot be ended keeps no other alive, and no credential.
func TestCollectorGoesAroundFaults(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.archive.set(func(f *fakeArchive) { f.err = errInjected })
	var stuck []uuid.UUID
	for range 4 {
		uid := w.register(w.options.Cluster, w.namespace, "gone")
		want := registry.DesiredApplication{Cluster: w.options.Cluster, Namespace: w.namespace, Name: "gone", DeletionPolicy: registry.Erase}
		_, err := w.registrar.PutApplication(t.Context(), uid, want)
		if err = errors.Join(err, w.registrar.PutCredential(t.Context(), uid, registry.Credential{ID: "1", SHA256: digest(uid.String())})); err != nil {
			t.Fatal(err)
		}
		stuck = append(stuck, uid)
	}
	retained := w.register(w.options.Cluster, w.namespace, "gone")
	c := w.collector(w.client, w.client)
	for range looks {
		if err := c.Compare(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if w.registered(retained) {
		t.Error("a record that needs no erasure waits for persistence")
	}
	for _, uid := range stuck {
		record, err := w.registrar.Application(t.Context(), uid)
		if err != nil || record == nil || len(record.Credentials) > 0 {
			t.Errorf("record %+v, error %v", record, err)
		}
	}
	for range 2 { // the first notes when they had none
		w.clock.advance(settleTime)
		_ = c.Compare(t.Context())
	}
	w.archive.set(func(f *fakeArchive) { f.err = nil })
	if err := c.Compare(t.Context()); err != nil || len(c.memory.entries) > 0 {
		t.Fatal(err)
	}
	for _, uid := range stuck {
		if w.registered(uid) || w.erased(&v1alpha1.Application{ObjectMeta: metav1.ObjectMeta{UID: types.UID(uid.String())}}) != nil {
			t.Errorf("%s is not ended, or not erased", uid)
		}
	}
}

// What was changed in auth by hand, or lost with its database, is brought back without a change of any Secret.
func TestComparisonRepairsAuth(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hasty)
	app, secret := w.ready(w.apply("web-shop"))
	for name, damage := range map[string]func() error{
		"policy": func() error {
			want := registry.DesiredApplication{Cluster: w.namespace, Namespace: w.namespace, Name: app.Name, Policy: registry.Policy{Suspended: true}}
			_, err := w.registrar.PutApplication(t.Context(), app.UUID(), want)
			return err
		},
		"credential": func() error { return w.registrar.DeleteCredential(t.Context(), app.UUID(), "1") },
		"stranger": func() error {
			return w.registrar.PutCredential(t.Context(), app.UUID(), registry.Credential{ID: "stranger", SHA256: digest("x")})
		},
		"everything": func() error { w.emptyAuth(); return nil },
	} {
		if err := damage(); err != nil {
			t.Fatal(name, err)
		}
		w.eventually(func() error {
			if record := w.record(app); record == nil || record.Policy.Suspended {
				return fmt.Errorf("%s: auth has %+v", name, record)
			}
			return w.settled(app)
		})
		if now, err := w.secret(secret.Name); err != nil || now.ResourceVersion != secret.ResourceVersion {
			t.Errorf("%s: the Secret was written: %v", name, err)
		}
	}
}

// Nothing is concluded from an auth that does not answer; that it does not is counted.
func TestComparisonWithoutAuth(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hasty)
	app, _ := w.ready(w.apply("web-shop"))
	w.auth.Kill()
	before := w.counter("theeye_operator_comparisons_total", "failed")
	w.eventually(func() error {
		if now := w.counter("theeye_operator_comparisons_total", "failed"); now < before+2 {
			return fmt.Errorf("%v comparisons failed", now)
		}
		return nil
	})
	w.auth.Restart()
	completed := w.counter("theeye_operator_comparisons_total", "completed")
	w.eventually(func() error {
		if now := w.counter("theeye_operator_comparisons_total", "completed"); now < completed+2 {
			return fmt.Errorf("%v comparisons completed", now)
		}
		return w.settled(app)
	})
}

// What is remembered of Applications goes with them.
func TestComparisonForgets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	app, _ := w.ready(w.apply("there"))
	c := w.collector(client.NewNamespacedClient(w.client, w.namespace), w.client, w.namespace)
	c.memory.keep(app.UID, recollection{settled: "a", revision: w.record(app).Revision})
	c.memory.keep("gone", recollection{settled: "b"})
	if err := c.Compare(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(c.memory.entries) != 1 || c.memory.of(app.UID).settled != "a" || len(c.doubts) > 0 {
		t.Errorf("remembered %+v, %d doubts", c.memory.entries, len(c.doubts))
	}
}

// counter reads one of the operator's metrics, by the value of its only label.
func (w *world) counter(name, label string) float64 {
	w.t.Helper()
	families, err := w.metrics.Gather()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if family.GetName() == name && m.GetLabel()[0].GetValue() == label {
				return m.GetCounter().GetValue()
			}
		}
	}
	return 0
}
