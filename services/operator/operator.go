package operator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/theeye-dev/theeye/api/apikey"
	"github.com/theeye-dev/theeye/api/v1alpha1"
)

const (
	// reconcileTimeout bounds one reconciliation: a dozen requests, each with a bound of its own.
	reconcileTimeout = 2 * time.Minute
	// Failing Applications are tried again after firstRetry, and twice as long each time until lastRetry.
	firstRetry = 200 * time.Millisecond
	lastRetry  = time.Minute
	// existingIndex finds the Applications that wait for an existing Secret.
	existingIndex = "existingSecret"
	// doubtsAhead lets a comparison find many without waiting for their reconciliation.
	doubtsAhead = 1024
)

// Options are what an operator needs.
type Options struct {
	Settings
	// Namespaces are watched; empty: all.
	Namespaces []string
	// Unserved are those of them whose Secrets may not be read, some and not all: their Applications can only go, and
	// must still be able to when a namespace that ends has lost its Role before the operator starts.
	Unserved []string
	// Concurrency is how many Applications are reconciled at once.
	Concurrency int
	// UsageInterval and CompareInterval are how often persistence is asked per Application, and auth for all of them.
	UsageInterval, CompareInterval time.Duration
	// LeaderElectionNamespace is where the lease is; "": no election, this is the only replica.
	LeaderElectionNamespace string
	// LeaderElectionID is the lease's name: replicas share it, and installations in one namespace must not.
	LeaderElectionID string

	Auth        registrar
	Persistence archive
	Registerer  prometheus.Registerer
	Log         *slog.Logger
	Now         func() time.Time
	// Wrap, when set, is put around the client that writes.
	Wrap func(client.Client) client.Client
}

// Scheme knows the types that the operator reads and writes.
func Scheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return nil, fmt.Errorf("make scheme: %w", err)
	}
	return scheme, nil
}

// New returns a manager that runs the operator; its Start blocks until the context ends.
func New(config *rest.Config, o Options) (manager.Manager, error) { //nolint:gocritic // once, at the start
	scheme, err := Scheme()
	if err != nil {
		return nil, err
	}
	mgr, err := ctrl.NewManager(config, managerOptions(scheme, &o))
	if err != nil {
		return nil, fmt.Errorf("make manager: %w", err)
	}
	writer := mgr.GetClient()
	if o.Wrap != nil {
		writer = o.Wrap(writer)
	}
	metrics, err := NewMetrics(o.Registerer, mgr.GetCache())
	if err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	events := &announcer{recorder: mgr.GetEventRecorder(FieldManager)}
	doubts := make(chan event.TypedGenericEvent[*v1alpha1.Application], doubtsAhead)
	remembered := newMemory()
	r := &Reconciler{
		gatherer: gatherer{cache: mgr.GetCache(), live: mgr.GetAPIReader()},
		actor:    actor{client: writer, auth: o.Auth, archive: o.Persistence, settings: &o.Settings, events: events},
		reporter: reporter{client: writer, events: events},
		memory:   remembered, settings: &o.Settings, usageInterval: o.UsageInterval, now: o.Now, log: o.Log,
	}
	collector := &Collector{
		cache: mgr.GetCache(), live: mgr.GetAPIReader(), writer: writer, auth: o.Auth, archive: o.Persistence, memory: remembered,
		settings: &o.Settings, namespaces: o.Namespaces, interval: o.CompareInterval,
		now: o.Now, revoked: map[uuid.UUID]time.Time{}, released: map[types.UID]bool{}, doubts: doubts, log: o.Log, metrics: metrics,
	}
	if err := errors.Join(index(mgr), watch(mgr, r, doubts, o.Concurrency), mgr.Add(collector)); err != nil {
		return nil, fmt.Errorf("set up operator: %w", err)
	}
	return mgr, nil
}

// managerOptions keep the cache to what the operator may see: Applications, and Secrets with its own label.
func managerOptions(scheme *runtime.Scheme, o *Options) manager.Options {
	labelled, _ := labels.NewRequirement(v1alpha1.SecretLabel, selection.Exists, nil) // a constant that is valid
	var namespaces, served map[string]cache.Config                                    // nil: all
	if len(o.Namespaces) > 0 {
		namespaces, served = map[string]cache.Config{}, map[string]cache.Config{}
	}
	for _, n := range o.Namespaces {
		namespaces[n] = cache.Config{}
		if !slices.Contains(o.Unserved, n) { // the cache is filled as a whole, or never
			served[n] = cache.Config{}
		}
	}
	warm := true
	return manager.Options{
		Scheme: scheme, Logger: logr.FromSlogHandler(o.Log.Handler()),
		Metrics: metricsserver.Options{BindAddress: "0"}, HealthProbeBindAddress: "0", // the ops port serves both
		LeaderElection: o.LeaderElectionNamespace != "", LeaderElectionNamespace: o.LeaderElectionNamespace,
		LeaderElectionID: o.LeaderElectionID, LeaderElectionReleaseOnCancel: true,
		Cache: cache.Options{
			DefaultNamespaces: namespaces,
			ByObject: map[client.Object]cache.ByObject{
				&corev1.Secret{}:        {Label: labels.NewSelector().Add(*labelled), Namespaces: served, Transform: withoutBulk},
				&v1alpha1.Application{}: {Transform: cache.TransformStripManagedFields()},
			},
		},
		Controller: configOf(warm),
	}
}

func configOf(warm bool) config.Controller {
	unique := true // several managers in one process, as tests have them
	return config.Controller{EnableWarmup: &warm, ReconciliationTimeout: reconcileTimeout, SkipNameValidation: &unique}
}

// maxCached is more than any Secret of the operator's, or one with a key in it, is long. Others may carry the label, too.
const maxCached = 64 << 10

// withoutBulk keeps large Secrets from filling the cache. What is acted on is read live.
func withoutBulk(object any) (any, error) {
	s, ok := object.(*corev1.Secret)
	if !ok || s.Size() <= maxCached {
		return object, nil
	}
	maps.DeleteFunc(s.Data, func(name string, value []byte) bool {
		return name != v1alpha1.KeyAPIKey && name != v1alpha1.KeyClientSecret || len(value) > apikey.MaxLength
	})
	return object, nil
}

// index makes the lookups that gather and watch need.
func index(mgr manager.Manager) error {
	ctx := context.Background() // only registers
	return errors.Join(
		mgr.GetFieldIndexer().IndexField(ctx, &corev1.Secret{}, ownerIndex, func(o client.Object) []string {
			if owner := metav1.GetControllerOf(o); owner != nil {
				return []string{string(owner.UID)}
			}
			return nil
		}),
		mgr.GetFieldIndexer().IndexField(ctx, &v1alpha1.Application{}, existingIndex, func(o client.Object) []string {
			if app, ok := o.(*v1alpha1.Application); ok && app.ExistingSecret() != "" {
				return []string{app.ExistingSecret()}
			}
			return nil
		}),
	)
}

// watch starts a reconciliation for whatever changes an answer: the spec and the annotations of an Application, its
// Secrets, a labelled Secret that it waits for, and a record of auth that is not as it was.
func watch(mgr manager.Manager, r *Reconciler, doubts <-chan event.TypedGenericEvent[*v1alpha1.Application], concurrency int) error {
	waiting := func(ctx context.Context, o client.Object) []reconcile.Request {
		var list v1alpha1.ApplicationList
		if err := mgr.GetCache().List(ctx, &list, client.InNamespace(o.GetNamespace()), client.MatchingFields{existingIndex: o.GetName()}); err != nil {
			return nil // no cache: everything will be looked at when there is one
		}
		requests := make([]reconcile.Request, 0, len(list.Items))
		for i := range list.Items {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
		}
		return requests
	}
	return ctrl.NewControllerManagedBy(mgr).
		For(&v1alpha1.Application{}, builder.WithPredicates(
			predicate.Or(predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{}, finalizersChanged()))).
		Owns(&corev1.Secret{}).
		Watches(&corev1.Secret{}, handler.EnqueueRequestsFromMapFunc(waiting)).
		WatchesRawSource(source.Channel(doubts, &handler.TypedEnqueueRequestForObject[*v1alpha1.Application]{})).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: concurrency,
			RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](firstRetry, lastRetry),
		}).
		Complete(reconcile.AsReconciler(mgr.GetClient(), r))
}

// finalizersChanged sees a finalizer that somebody took away.
func finalizersChanged() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		return len(e.ObjectOld.GetFinalizers()) != len(e.ObjectNew.GetFinalizers())
	}}
}
