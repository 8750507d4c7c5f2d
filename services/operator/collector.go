package operator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/api/v1alpha1"
)

// Collector compares auth's records of this cluster with its Applications, now and then. It finds what no event tells
// of: an auth that lost its database, or was changed by hand, and records whose Application is gone.
type Collector struct {
	cache      client.Reader
	live       client.Reader
	writer     client.Client
	auth       registrar
	archive    archive
	memory     *memory
	settings   *Settings
	namespaces []string // empty: all
	interval   time.Duration
	now        func() time.Time
	missed     map[uuid.UUID]int       // in how many comparisons on end a record's Application was gone
	revoked    map[uuid.UUID]time.Time // since when a record that waits for its erasure was seen to have no credentials
	released   map[types.UID]bool      // Applications of namespaces that are not watched any more, once they were let go
	doubts     chan<- event.TypedGenericEvent[*v1alpha1.Application]
	log        *slog.Logger
	metrics    *Metrics
}

// NeedLeaderElection says that one replica collects.
func (c *Collector) NeedLeaderElection() bool { return true }

// Start compares until the context ends. What fails is tried again the next time.
func (c *Collector) Start(ctx context.Context) error {
	ticker := time.NewTicker(c.interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if err := c.Compare(ctx); err != nil && ctx.Err() == nil {
			c.metrics.comparisonFailed()
			c.log.WarnContext(ctx, "comparison with auth failed", "error", err)
		}
	}
}

// Compare does it once. auth's list is read before the cache: an Application that is made in between is in the cache
// and not in the list, which costs it one needless question, and never the other way round.
func (c *Collector) Compare(ctx context.Context) error {
	records, err := c.auth.List(ctx, c.settings.Cluster)
	if err != nil {
		return err
	}
	var list v1alpha1.ApplicationList
	if err := c.cache.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("list Applications: %w", err)
	}
	known := make(map[types.UID]*registry.Application, len(records))
	for i := range records {
		known[types.UID(records[i].UID.String())] = &records[i]
	}
	there := make(map[types.UID]bool, len(list.Items))
	for i := range list.Items {
		app := &list.Items[i]
		there[app.UID] = true
		record := known[app.UID]
		delete(known, app.UID)
		if err := c.doubt(ctx, app, record); err != nil {
			return err
		}
	}
	c.memory.retain(func(uid types.UID) bool { return there[uid] })
	gone, err := c.allGone(ctx, known)
	if err != nil {
		return err
	}
	err = c.endAll(ctx, c.ripe(ctx, gone, len(records)))
	if err == nil {
		c.metrics.compared(len(records))
	}
	return err
}

// allGone are the records whose Applications are gone. A look that fails makes all others worthless: they count, and what
// counts must be one state of the cluster.
func (c *Collector) allGone(ctx context.Context, candidates map[types.UID]*registry.Application) ([]*registry.Application, error) {
	var found []*registry.Application
	for _, record := range candidates {
		gone, err := c.gone(ctx, record)
		if err != nil {
			return nil, err
		}
		if gone {
			found = append(found, record)
		}
	}
	return found, nil
}

// ripe are the records that have been without an Application for long enough.
func (c *Collector) ripe(ctx context.Context, gone []*registry.Application, records int) []*registry.Application {
	c.missed = tally(c.missed, gone)
	ending, held := ripe(gone, records, c.missed)
	c.metrics.held(held)
	if held > 0 {
		c.log.WarnContext(ctx, "the Applications of most records are gone, which are kept for now: is the cluster id another cluster's?",
			"cluster", c.settings.Cluster, "held", held, "records", records, "comparisons_needed", patientLooks)
	}
	return ending
}

// endAll ends the records of Applications that are gone. All of them are revoked before anything else can fail; then
// what is refused, or cannot be erased, keeps no other record alive.
func (c *Collector) endAll(ctx context.Context, records []*registry.Application) (all error) {
	maps.DeleteFunc(c.revoked, func(uid uuid.UUID, _ time.Time) bool { return c.missed[uid] == 0 })
	var retained, erased []*registry.Application
	for _, record := range records {
		if record.DeletionPolicy != registry.Erase {
			retained = append(retained, record)
			continue
		}
		settled, err := c.revoke(ctx, record)
		if settled { // else what is accepted until the next comparison is erased then
			erased = append(erased, record)
		}
		all = errors.Join(all, err)
		if err != nil && !refused(err) {
			return all // the next would wait as long
		}
	}
	for _, record := range append(retained, erased...) { // the latter need one service more
		err := c.end(ctx, record)
		all = errors.Join(all, err)
		if err != nil && !refused(err) {
			return all
		}
	}
	return all
}

// doubt has an Application reconciled whose record is not the one it was settled with.
func (c *Collector) doubt(ctx context.Context, app *v1alpha1.Application, record *registry.Application) error {
	revision := int64(0)
	if record != nil {
		revision = record.Revision
	}
	if !app.DeletionTimestamp.IsZero() || !c.memory.doubt(app.UID, revision) {
		return nil
	}
	select {
	case c.doubts <- event.TypedGenericEvent[*v1alpha1.Application]{Object: app.DeepCopy()}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// gone asks the API server itself whether a record's Application is gone: the cache may be new, and has nothing of
// namespaces that are not watched, or not any more. What is there in one of those is let go.
func (c *Collector) gone(ctx context.Context, record *registry.Application) (bool, error) {
	var app v1alpha1.Application
	err := c.live.Get(ctx, types.NamespacedName{Namespace: record.Namespace, Name: record.Name}, &app)
	watched := c.watches(record.Namespace)
	switch {
	case absent(err, record.Name):
		return true, nil
	case err != nil && !watched && apierrors.IsForbidden(err):
		return false, nil // whoever gave this operator fewer rights than config/rbac has
	case err != nil:
		return false, fmt.Errorf("look for Application %s/%s: %w", record.Namespace, record.Name, err)
	case app.UUID() != record.UID: // a namesake, made since
		return true, nil
	case !watched:
		c.letGo(ctx, &app)
	}
	return false, nil
}

// letGo takes the finalizer off an Application of a namespace that was taken out of those that are watched: nobody else
// would, and neither it nor its namespace could be deleted any more. Once it is deleted its record ends. It is done once,
// for another operator may have taken the Application over and put the finalizer back.
func (c *Collector) letGo(ctx context.Context, app *v1alpha1.Application) {
	if c.released[app.UID] || !controllerutil.ContainsFinalizer(app, v1alpha1.Finalizer) {
		return
	}
	logger := c.log.With("namespace", app.Namespace, "name", app.Name)
	if _, err := patchFinalizer(ctx, c.writer, app, controllerutil.RemoveFinalizer); err != nil {
		logger.WarnContext(ctx, "an Application that is not watched any more could not be let go", "error", err)
		return
	}
	c.released[app.UID] = true
	logger.InfoContext(ctx, "let an Application go that is not watched any more")
}

func (c *Collector) watches(namespace string) bool {
	return len(c.namespaces) == 0 || slices.Contains(c.namespaces, namespace)
}

// end erases what a record without credentials asks for, and ends it.
func (c *Collector) end(ctx context.Context, record *registry.Application) error {
	if record.DeletionPolicy == registry.Erase {
		if err := c.archive.Erase(ctx, record.UID); err != nil {
			return err
		}
	}
	if err := c.auth.DeleteApplication(ctx, record.UID); err != nil {
		return err
	}
	c.metrics.collected()
	c.log.InfoContext(ctx, "ended the record of an Application that is gone",
		"namespace", record.Namespace, "name", record.Name, "uid", record.UID.String())
	return nil
}

// revoke revokes a record's credentials, and tells whether there have been none for so long that no event can come.
func (c *Collector) revoke(ctx context.Context, record *registry.Application) (settled bool, err error) {
	whole, err := c.auth.Application(ctx, record.UID)
	if err != nil || whole == nil {
		return whole == nil && err == nil, err
	}
	for _, credential := range whole.Credentials {
		if err := c.auth.DeleteCredential(ctx, record.UID, credential.ID); err != nil {
			return false, err
		}
	}
	if at, known := c.revoked[record.UID]; known && len(whole.Credentials) == 0 {
		return !c.now().Before(at.Add(settleTime)), nil
	}
	c.revoked[record.UID] = c.now()
	return false, nil
}
