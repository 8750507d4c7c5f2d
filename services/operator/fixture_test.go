package operator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/theeye-dev/theeye/api/apikey"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/api/v1alpha1"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

const (
	adminToken = "an-admin-token-for-tests-only"
	// patience bounds every wait; a loaded machine under the race detector is slow, and a wait that ends late passes.
	patience  = 30 * time.Second
	eventsURL = "https://events.example.com/v1/events"
	tokenURL  = "https://auth.example.com/v1/token"
)

// world is an operator in this process, on a real API server and a real auth. It watches one namespace of its own.
type world struct {
	t         *testing.T
	client    client.Client
	namespace string
	auth      *testenv.Process
	postgres  string // the URLs of what auth keeps its records in
	redis     string
	registrar Auth
	archive   *fakeArchive
	clock     *clock
	options   Options
	config    *rest.Config // whom the operator is
	metrics   *prometheus.Registry
	stop      func() // the operator that runs; start runs another
}

// quiet keeps controller-runtime from complaining that nobody takes its logs: those of a manager go to its test.
var quiet = sync.OnceFunc(func() { ctrl.SetLogger(logr.Discard()) }) //nolint:gochecknoglobals // its logger is global

// newWorld starts everything; change may alter the operator's options first.
func newWorld(t *testing.T, change ...func(*Options)) *world {
	t.Helper()
	quiet()
	cluster := testenv.Kubernetes(t)
	w := &world{
		t: t, client: cluster.Client(t, v1alpha1.AddToScheme), namespace: cluster.Namespace(t),
		archive: &fakeArchive{}, clock: &clock{now: time.Now()}, config: cluster.Admin(),
		postgres: testenv.Postgres(t), redis: testenv.OwnRedis(t).URL(),
	}
	w.auth = testenv.Start(t, testenv.Options{Name: "auth", Env: []string{
		"THEEYE_REDIS_URL=" + w.redis, "THEEYE_POSTGRES_URL=" + w.postgres, "THEEYE_ADMIN_TOKEN=" + adminToken,
	}})
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	asked := func() Auth { // the operator's own breaker may be open while the test asks
		return Auth{NewRemote("auth", w.auth.URL, func() (string, error) { return adminToken, nil }, transport)}
	}
	w.registrar = asked()
	w.options = Options{
		Settings: Settings{
			Cluster: w.namespace, EventsURL: eventsURL, TokenURL: tokenURL, KeyEnv: "test",
			RevokeTimeout: time.Minute, PollInterval: time.Second,
		},
		Namespaces: []string{w.namespace}, Concurrency: 4, UsageInterval: time.Hour, CompareInterval: time.Hour,
		Auth: asked(), Persistence: w.archive, Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Now: w.clock.Now,
	}
	for _, c := range change {
		c(&w.options)
	}
	w.start()
	return w
}

// start runs an operator until stop, or the test's end.
func (w *world) start() {
	w.t.Helper()
	o := w.options
	w.metrics = prometheus.NewRegistry()
	o.Registerer = w.metrics
	mgr, err := New(w.config, o)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Errorf("operator ended with %v", err)
		}
	})
	w.t.Cleanup(w.stop)
}

// apply creates an Application; edit may change its spec first.
func (w *world) apply(name string, edit ...func(*v1alpha1.Application)) *v1alpha1.Application {
	w.t.Helper()
	app := &v1alpha1.Application{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name}}
	for _, e := range edit {
		e(app)
	}
	if err := w.client.Create(w.t.Context(), app); err != nil {
		w.t.Fatal(err)
	}
	return app
}

// change edits a stored Application, as often as it takes.
func (w *world) change(app *v1alpha1.Application, edit func(*v1alpha1.Application)) {
	w.t.Helper()
	w.eventually(func() error {
		current, err := w.read(app)
		if err != nil {
			return err
		}
		edit(current)
		return w.client.Update(w.t.Context(), current)
	})
}

// poke has an Application reconciled, as its deadlines would if the clock were real.
func (w *world) poke(app *v1alpha1.Application) {
	w.t.Helper()
	w.change(app, func(a *v1alpha1.Application) {
		metav1.SetMetaDataAnnotation(&a.ObjectMeta, "test/poke", uuid.NewString())
	})
}

func (w *world) read(app *v1alpha1.Application) (*v1alpha1.Application, error) {
	current := &v1alpha1.Application{}
	return current, w.client.Get(context.Background(), client.ObjectKeyFromObject(app), current)
}

// secret reads a Secret by name.
func (w *world) secret(name string) (*corev1.Secret, error) {
	found := &corev1.Secret{}
	return found, w.client.Get(context.Background(), types.NamespacedName{Namespace: w.namespace, Name: name}, found)
}

// record is what auth has of an Application; nil when nothing.
func (w *world) record(app *v1alpha1.Application) *registry.Application {
	w.t.Helper()
	record, err := w.registrar.Application(context.Background(), app.UUID())
	if err != nil {
		w.t.Fatal(err)
	}
	return record
}

// await waits until a condition has a status and a reason ("" for any), of the newest generation.
func (w *world) await(app *v1alpha1.Application, condition string, status metav1.ConditionStatus, reason string) *v1alpha1.Application {
	w.t.Helper()
	var current *v1alpha1.Application
	w.eventually(func() (err error) {
		if current, err = w.read(app); err != nil {
			return err
		}
		c := meta.FindStatusCondition(current.Status.Conditions, condition)
		if c == nil || c.Status != status || reason != "" && c.Reason != reason || current.Status.ObservedGeneration != current.Generation {
			return fmt.Errorf("%s is not %s %s yet: generation %d, status %+v", condition, status, reason, current.Generation, current.Status)
		}
		return nil
	})
	return current
}

// ready waits for Ready and returns the Application and its Secret, whose key auth must have as a credential without end.
func (w *world) ready(app *v1alpha1.Application) (*v1alpha1.Application, *corev1.Secret) {
	w.t.Helper()
	current := w.await(app, v1alpha1.ConditionReady, metav1.ConditionTrue, "")
	found, err := w.secret(current.SecretName())
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.works(current, string(found.Data[v1alpha1.KeyAPIKey])); err != nil {
		w.t.Fatal(err)
	}
	return current, found
}

// works tells whether auth has a key as a live credential of the Application.
func (w *world) works(app *v1alpha1.Application, key string) error {
	id, err := apikey.Parse(key)
	if err != nil || id.ClientID != app.ClientID() {
		return fmt.Errorf("the key is of client %q (%w), want %q", id.ClientID, err, app.ClientID())
	}
	if record := w.record(app); record != nil {
		for _, c := range record.Credentials {
			if c.SHA256 == registry.Digest(apikey.HashOf(key)) {
				return nil
			}
		}
	}
	return errors.New("auth does not have the key")
}

func (w *world) eventually(f func() error) {
	w.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	retry := time.NewTicker(20 * time.Millisecond)
	defer retry.Stop()
	for {
		err := f()
		if err == nil {
			return
		}
		select {
		case <-retry.C:
		case <-deadline.C:
			w.t.Fatal(err)
		}
	}
}

// clock is the operator's; it stands still until a test moves it.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

// Now is the clock's time.
func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

var errStillThere = errors.New("it is still there")

// fakeArchive answers as persistence would; the services' own tests have the real one.
type fakeArchive struct {
	mu     sync.Mutex
	err    error
	usage  registry.Usage
	asked  int
	erased []uuid.UUID
}

// Usage implements archive.
func (f *fakeArchive) Usage(context.Context, uuid.UUID) (*registry.Usage, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	usage := f.usage
	return &usage, f.err
}

// Erase implements archive.
func (f *fakeArchive) Erase(_ context.Context, uid uuid.UUID) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.erased = append(f.erased, uid)
	}
	return f.err
}

func (f *fakeArchive) set(change func(*fakeArchive)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}
