package operator

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/theeye-dev/theeye/api/v1alpha1"
)

const (
	chaosSeed = 3
	// chaosFaults is how many requests fail: enough for every kind of request to fail in both ways, several times.
	chaosFaults = 150
)

// While a third of all requests fail, before or after they happen, no promise is broken; when that ends, everything
// comes to be as it was asked for.
func TestChaosConverges(t *testing.T) {
	t.Parallel()
	var s *saboteur
	w := newWorld(t, func(o *Options) {
		o.RevokeTimeout = 24 * time.Hour
		s = sabotage(o)
	})
	faults := 0
	random := rand.New(rand.NewPCG(chaosSeed, 0))
	s.order(func(request string) fault {
		switch random.IntN(20) {
		case 0, 1, 2:
			faults++
			return prevented
		case 3, 4, 5:
			faults++
			if strings.HasPrefix(request, reading) {
				return prevented
			}
			return unheard
		}
		return fault{}
	})
	var kept, deleted []*v1alpha1.Application
	for i := range 12 {
		name := fmt.Sprintf("app-%d", i)
		switch i % 6 {
		case 4:
			deleted = append(deleted, w.apply(name))
		case 5:
			deleted = append(deleted, w.apply(name, erase))
		default:
			kept = append(kept, w.apply(name))
		}
	}
	for round := 0; ; round++ {
		if round == len(kept) {
			for _, app := range deleted {
				w.delete(app)
			}
		}
		s.mu.Lock()
		enough := faults >= chaosFaults
		s.mu.Unlock()
		if enough {
			break
		}
		w.disturb(kept[round%len(kept)], round)
	}
	s.order(nil)
	w.eventually(func() error { return w.converged(kept, deleted) })
	if _, broken := s.report(); len(broken) > 0 {
		t.Error(strings.Join(broken, "\n"))
	}
}

// disturb does to an Application what people do.
func (w *world) disturb(app *v1alpha1.Application, round int) {
	w.t.Helper()
	switch round / 8 % 3 {
	case 0:
		w.change(app, rotate(fmt.Sprint(round)))
	case 1:
		w.change(app, func(a *v1alpha1.Application) {
			a.Spec.Credentials = &v1alpha1.Credentials{SecretName: fmt.Sprintf("%s-%d", app.Name, round%2)}
		})
	case 2:
		current, err := w.read(app)
		if err != nil {
			w.t.Fatal(err)
		}
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: current.SecretName()}}
		if err := w.client.Delete(w.t.Context(), secret); client.IgnoreNotFound(err) != nil {
			w.t.Fatal(err)
		}
	}
}

// converged says what is not as it was asked for, and has that looked at: failures have made the operator patient.
func (w *world) converged(kept, deleted []*v1alpha1.Application) (all error) {
	for _, app := range kept {
		if err := w.settled(app); err != nil {
			all = errors.Join(all, fmt.Errorf("%s: %w", app.Name, err), w.nudge(app))
		}
	}
	for _, app := range deleted {
		if err := w.gone(app); err != nil {
			all = errors.Join(all, fmt.Errorf("%s: %w", app.Name, err), client.IgnoreNotFound(w.nudge(app)))
		}
	}
	return all
}
