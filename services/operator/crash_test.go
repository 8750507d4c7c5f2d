package operator

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/theeye-dev/theeye/api/v1alpha1"
)

// An operator that is killed at any effect, whether that happened or not, leaves nothing that the next one does not
// bring to its end: one client id, no orphan, and never a moment in which a client is worse off.
func TestCrashAtEveryEffect(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]fault{"prevented": prevented, "unheard": unheard} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var s *saboteur
			w := newWorld(t, func(o *Options) {
				o.RevokeTimeout = 24 * time.Hour // nothing is out of reach here
				s = sabotage(o)
			})
			for _, scenario := range scenarios {
				crashes := 0
				for scenario.crashed(w, s, fmt.Sprintf("%s-%d", scenario.name, crashes+1), crashes+1, f) {
					crashes++
				}
				if crashes < scenario.effects {
					t.Errorf("%s has %d effects, expected at least %d: is it what it says?", scenario.name, crashes, scenario.effects)
				}
			}
		})
	}
}

// scenario is something that an operator is at when it is killed.
type scenario struct {
	name    string
	effects int // at least
	// run prepares, calls armed, and has the operator start; done then says what is missing at the end.
	run func(w *world, s *saboteur, name string, armed func()) (done func() error)
}

// crashed runs a scenario whose nth effect is the operator's last, and tells whether it came to that.
func (sc *scenario) crashed(w *world, s *saboteur, name string, n int, f fault) bool {
	w.t.Helper()
	decide, dead := lastAt(n, f)
	done := sc.run(w, s, name, func() { s.order(decide) })
	w.eventually(func() error {
		select {
		case <-dead:
			return nil
		default:
			return done()
		}
	})
	w.stop()
	crash, _ := s.report()
	s.order(nil)
	w.start()
	w.eventually(func() error {
		if err := done(); err != nil {
			history, _ := s.report()
			return fmt.Errorf("%s: %w\nthe crash: %s\nthen: %s", name, err, strings.Join(crash, ", "), strings.Join(history, ", "))
		}
		return nil
	})
	if _, broken := s.report(); len(broken) > 0 {
		w.t.Fatalf("%s: %s", name, strings.Join(broken, "\n"))
	}
	select {
	case <-dead:
		return true
	default:
		return false
	}
}

// lastAt lets an operator have n effects, the nth of them with a fault, and after that nothing: as if it were dead.
func lastAt(n int, f fault) (decide func(string) fault, dead <-chan struct{}) {
	count, died := 0, make(chan struct{})
	return func(request string) fault {
		if strings.HasPrefix(request, reading) && count < n {
			return fault{}
		}
		count++
		switch {
		case count < n:
			return fault{}
		case count == n:
			close(died)
			return f
		}
		return prevented
	}, died
}

// settled says what is not as it should be about an Application: Ready, one Secret, and auth knows exactly its book.
func (w *world) settled(app *v1alpha1.Application) error {
	current, err := w.read(app)
	if err != nil {
		return err
	}
	if !conditionTrue(current, v1alpha1.ConditionReady) || current.Status.ObservedGeneration != current.Generation ||
		current.Status.ClientID != current.ClientID() {
		return fmt.Errorf("status is %+v", current.Status)
	}
	secrets, err := w.owned(current)
	if err != nil {
		return err
	}
	if len(secrets) != 1 || secrets[0].Name != current.SecretName() {
		return fmt.Errorf("%d Secrets, want one, %s", len(secrets), current.SecretName())
	}
	key, book := string(secrets[0].Data[v1alpha1.KeyAPIKey]), readBook(&secrets[0])
	if len(book) == 0 || book[0].SHA256 != digest(key) {
		return fmt.Errorf("the book %v is not about the Secret's key", book)
	}
	record := w.record(current)
	if record == nil || len(record.Credentials) != len(book) || len(current.Status.Credentials) != len(book) {
		return fmt.Errorf("the book %v, auth has %+v, the status %+v", book, record, current.Status.Credentials)
	}
	for _, e := range book {
		if got := find(record, e.ID); got == nil || got.SHA256 != e.SHA256 || !sameJSON(got.NotAfter, e.NotAfter) {
			return fmt.Errorf("the book has %+v, auth %+v", e, got)
		}
	}
	return w.works(current, key)
}

// replaced says whether an Application is settled with another key than one that clients have, which lasts out its
// overlap.
func (w *world) replaced(app *v1alpha1.Application, key string) error {
	if err := w.settled(app); err != nil {
		return err
	}
	current, err := w.read(app)
	if err != nil {
		return err
	}
	secret, err := w.secret(current.SecretName())
	if err != nil {
		return err
	}
	book := readBook(secret)
	if book[0].SHA256 == digest(key) || len(book) != 2 || book[1].SHA256 != digest(key) {
		return fmt.Errorf("the book %v does not replace %s", book, digest(key))
	}
	return nil
}

// gone says what is left of an Application that was deleted.
func (w *world) gone(app *v1alpha1.Application) error {
	if _, err := w.read(app); !apierrors.IsNotFound(err) {
		return errors.Join(errStillThere, err)
	}
	if record := w.record(app); record != nil {
		return fmt.Errorf("auth still has %+v", record)
	}
	return nil
}

// nudge lets a second pass for an Application that may have gone meanwhile.
func (w *world) nudge(app *v1alpha1.Application) error {
	w.clock.advance(time.Second)
	current, err := w.read(app)
	if err != nil {
		return err
	}
	metav1.SetMetaDataAnnotation(&current.ObjectMeta, "test/nudge", w.clock.Now().String())
	return w.client.Update(w.t.Context(), current)
}

func (w *world) erased(app *v1alpha1.Application) error {
	w.archive.mu.Lock()
	defer w.archive.mu.Unlock()
	if !slices.Contains(w.archive.erased, app.UUID()) {
		return errors.New("its events are not erased")
	}
	return nil
}
