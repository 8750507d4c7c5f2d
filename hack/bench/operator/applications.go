package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/theeye-dev/theeye/api/v1alpha1"
)

const (
	// namespaces is how many teams share the cluster.
	namespaces = 20
	// creators is how many Applications are created at the same time.
	creators = 8
)

// schema is a JSON Schema of some 300 bytes, as a team declares for a type of event.
const schema = `{"type":"object","required":["host","path"],"properties":{"host":{"type":"string","minLength":1,"maxLength":253},` +
	`"path":{"type":"string","pattern":"^/"},"referrer":{"type":"string","maxLength":2048},` +
	`"title":{"type":"string","maxLength":512},"load_ms":{"type":"number","minimum":0},"logged_in":{"type":"boolean"}}}`

func namespaceName(i int) string { return fmt.Sprintf("bench-%02d", i%namespaces) }

// newApplication is the i-th Application.
func newApplication(i int) *v1alpha1.Application {
	const day = 24 * time.Hour
	app := &v1alpha1.Application{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion, Kind: v1alpha1.Kind},
		ObjectMeta: metav1.ObjectMeta{Namespace: namespaceName(i), Name: fmt.Sprintf("application-%05d", i)},
		Spec: v1alpha1.ApplicationSpec{
			DisplayName: fmt.Sprintf("Application %d of the bench", i),
			Limits:      &v1alpha1.Limits{EventsPerSecond: 500, Burst: 1000, MaxEventBytes: 64 << 10},
			Credentials: &v1alpha1.Credentials{Rotation: &v1alpha1.Rotation{
				Interval: &metav1.Duration{Duration: 30 * day}, Overlap: &metav1.Duration{Duration: day},
			}},
		},
	}
	for _, name := range []string{"pageview", "search", "add to cart"} {
		app.Spec.EventTypes = append(app.Spec.EventTypes, v1alpha1.EventType{
			Category: "page interaction", Name: name, Schema: &runtime.RawExtension{Raw: []byte(schema)},
		})
	}
	return app
}

// createAll makes the namespaces and the Applications.
func (c *cluster) createAll(ctx context.Context, n int) error {
	for i := range namespaces {
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespaceName(i)}}
		if err := c.client.Create(ctx, namespace); err != nil {
			return fmt.Errorf("make namespace: %w", err)
		}
	}
	var wg sync.WaitGroup
	errs := make([]error, creators)
	for worker := range creators {
		wg.Go(func() {
			for i := worker; i < n && errs[worker] == nil; i += creators {
				errs[worker] = c.client.Create(ctx, newApplication(i))
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("create Applications: %w", err)
	}
	return nil
}

// watcher knows which Applications are Ready.
type watcher struct {
	mu    sync.Mutex
	ready map[client.ObjectKey]bool
	ended bool

	events watch.Interface
}

// watchApplications follows the Applications from those that there are now.
func (c *cluster) watchApplications(ctx context.Context) (*watcher, error) {
	var list v1alpha1.ApplicationList
	if err := c.client.List(ctx, &list); err != nil {
		return nil, fmt.Errorf("list Applications: %w", err)
	}
	w := &watcher{ready: map[client.ObjectKey]bool{}}
	for i := range list.Items {
		w.see(&list.Items[i])
	}
	var err error
	from := &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: list.ResourceVersion}}
	if w.events, err = c.client.Watch(ctx, &v1alpha1.ApplicationList{}, from); err != nil {
		return nil, fmt.Errorf("watch Applications: %w", err)
	}
	go w.follow() // ends with stop
	return w, nil
}

func (w *watcher) stop() { w.events.Stop() }

func (w *watcher) follow() {
	for event := range w.events.ResultChan() {
		if app, ok := event.Object.(*v1alpha1.Application); ok {
			w.see(app)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
}

// see notes whether an Application is Ready as its newest spec wants it.
func (w *watcher) see(app *v1alpha1.Application) {
	ready := meta.IsStatusConditionTrue(app.Status.Conditions, v1alpha1.ConditionReady) && app.Status.ObservedGeneration == app.Generation
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ready[client.ObjectKeyFromObject(app)] = ready
}

// missing is an error as long as not all of n are Ready.
func (w *watcher) missing(n int) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	ready := 0
	for _, is := range w.ready {
		if is {
			ready++
		}
	}
	switch {
	case ready >= n:
		return nil
	case w.ended:
		return errors.New("the watch of the Applications ended")
	}
	return fmt.Errorf("%d of %d Applications are Ready", ready, n)
}

// secrets counts the Secrets that the operator has made, by what they are.
func (c *cluster) secrets(ctx context.Context) (issued, candidates int, err error) {
	var list metav1.PartialObjectMetadataList
	list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("SecretList"))
	if err := c.client.List(ctx, &list, client.HasLabels{v1alpha1.SecretLabel}); err != nil {
		return 0, 0, fmt.Errorf("list Secrets: %w", err)
	}
	for i := range list.Items {
		if list.Items[i].Labels[v1alpha1.SecretLabel] == v1alpha1.SecretIssued {
			issued++
		} else {
			candidates++
		}
	}
	return issued, candidates, nil
}
