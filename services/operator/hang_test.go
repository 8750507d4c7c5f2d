package operator

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/api/v1alpha1"
)

// tallied counts the questions for a usage that came to an end.
type tallied struct {
	archive
	ended *atomic.Int64
}

// Usage implements archive.
func (a tallied) Usage(ctx context.Context, uid uuid.UUID) (*registry.Usage, error) {
	defer a.ended.Add(1)
	return a.archive.Usage(ctx, uid)
}

func (w *world) applyMany(n int) []*v1alpha1.Application {
	w.t.Helper()
	apps := make([]*v1alpha1.Application, n)
	for i := range apps {
		apps[i] = w.apply(fmt.Sprintf("app-%d", i))
	}
	for i, app := range apps {
		apps[i], _ = w.ready(app)
	}
	return apps
}

// A persistence that hangs keeps nobody waiting: what a hundred Applications want to know of it costs as many requests as
// are sent before the first of them is given up, and no more. The breaker's clock stands still, so nothing probes.
func TestPersistenceHangs(t *testing.T) {
	t.Parallel()
	const many = 100
	p := newPeer(t, "persistence", hang)
	var ended atomic.Int64
	w := newWorld(t, func(o *Options) { o.Persistence = tallied{Persistence{p.Remote}, &ended} })
	apps := w.applyMany(many)
	w.clock.advance(2 * w.options.UsageInterval)
	for _, app := range apps {
		w.poke(app)
	}
	w.ready(w.apply("new"))
	w.eventually(func() error {
		if n := ended.Load(); n < many {
			return fmt.Errorf("%d of %d have asked", n, many)
		}
		return nil
	})
	if n := p.asked.Load(); n < 1 || n > int64(w.options.Concurrency) {
		t.Errorf("%d requests hung, want at most %d", n, w.options.Concurrency)
	}
}

// An auth that hangs keeps no deletion longer than its own time: all are let go, after as many requests as are sent before
// the first is given up.
func TestAuthHangsWhileManyAreDeleted(t *testing.T) {
	t.Parallel()
	const many = 30
	var (
		hanging atomic.Bool
		hung    atomic.Int64
		ready   http.Handler
	)
	p := newPeer(t, "auth", func(w http.ResponseWriter, r *http.Request) {
		if hanging.Load() {
			hung.Add(1)
			hang(w, r)
			return
		}
		ready.ServeHTTP(w, r)
	})
	w := newWorld(t, func(o *Options) {
		target, err := url.Parse(o.Auth.(Auth).base) //nolint:forcetypeassert // newWorld's own
		if err != nil {
			t.Fatal(err)
		}
		ready = httputil.NewSingleHostReverseProxy(target)
		o.Auth, o.RevokeTimeout = Auth{p.Remote}, briefly
	})
	apps := w.applyMany(many)
	hanging.Store(true)
	for _, app := range apps {
		w.delete(app)
	}
	w.eventually(func() error {
		if hung.Load() == 0 {
			return errors.New("nobody asks auth")
		}
		return nil
	})
	w.clock.advance(time.Minute)
	w.eventually(func() (all error) {
		for _, app := range apps {
			if _, err := w.read(app); !apierrors.IsNotFound(err) {
				all = errors.Join(all, fmt.Errorf("%s: %w", app.Name, errStillThere), client.IgnoreNotFound(w.nudge(app)))
			}
		}
		return all
	})
	if n := hung.Load(); n > int64(w.options.Concurrency) {
		t.Errorf("%d requests hung, want at most %d", n, w.options.Concurrency)
	}
}
