package persistence

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/theeye-dev/theeye/api/event"
)

// held is a batch whose transaction has looked at the erasures and waits, before or after its rows are written.
type held struct {
	waits   chan struct{}
	release func()
	done    chan error
}

func (f *fixture) hold(store *Postgres, batch []*record, written bool) *held {
	f.Helper()
	released := make(chan struct{})
	h := &held{waits: make(chan struct{}), release: sync.OnceFunc(func() { close(released) }), done: make(chan error, 1)}
	f.Cleanup(h.release)
	f.must(store.days.ensure(f.Context(), store.pool, daysOf(batch)))
	go func() {
		h.done <- store.inBatch(f.Context(), scopeOf(batch), func(tx querier, known past) (*pgx.Batch, error) {
			w := &write{tx: tx, past: known, writer: store.writer, tally: newTally(), outcomes: Outcomes{}}
			if !written {
				close(h.waits)
				<-released
				return w.all(f.Context(), batch)
			}
			last, err := w.all(f.Context(), batch)
			if err == nil {
				err = tx.SendBatch(f.Context(), last).Close()
			}
			close(h.waits)
			<-released
			return &pgx.Batch{}, err
		})
	}()
	<-h.waits
	return h
}

// TestEraseWaitsForBatchesThatDoNotKnow holds a batch open while its application is erased: whatever it writes, and
// whenever, is gone when the erasure says that it is finished; and meanwhile nobody else is held up.
func TestEraseWaitsForBatchesThatDoNotKnow(t *testing.T) {
	t.Parallel()
	for name, written := range map[string]bool{"before it writes": false, "after it has written": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.insert(f.request(shop, item("a", "s", ""), item("b", "s", "")))
			batch := records(f.entry(f.request(shop, item("a", "s", ""), item("c", "s", ""), item("b", "t", ""), refused("{}", "field.missing"))))
			waiting := f.request(shop, item("d", "s", ""))
			h := f.hold(f.replica("slow"), batch, written)
			_, err := f.store.requestErasure(t.Context(), target{application: shop}, time.Now())
			f.must(err)
			e := f.eraser(f.replica("eraser"))
			if _, err := e.round(t.Context()); (err != nil) != written { // rows that it has written are locked
				t.Errorf("erasing meanwhile: %v", err)
			}
			if progress, _, err := f.store.erasureOf(t.Context(), target{application: shop}); err != nil || progress.State != Erasing {
				t.Fatalf("while a batch is open that does not know: %+v, %v", progress, err)
			}
			f.same("others meanwhile", Outcomes{Stored: 1}, f.insert(f.request(blog, item("a", "s", ""))))
			f.same("of the application itself", Outcomes{Erased: 1}, f.insert(waiting))
			h.release()
			f.must(<-h.done)
			f.finish(f.store)
			f.same("what is left", map[string]int{}, f.traces(shop))
			f.recounted("afterwards")
		})
	}
}

// TestBatchesThatKnowHoldNothingUp: an erasure waits for those that began before it, and for no other.
func TestBatchesThatKnowHoldNothingUp(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.insert(f.request(shop, item("a", "s", "")))
	_, err := f.store.requestErasure(t.Context(), target{application: shop}, time.Now())
	f.must(err)
	before, err := f.store.batches(t.Context())
	f.must(err)
	h := f.hold(f.replica("slow"), records(f.entry(f.request(shop, item("b", "s", "")))), false)
	f.must(f.store.ended(t.Context(), before))
	h.release()
	f.must(<-h.done)
	f.finish(f.store)
	f.same("what is left", map[string]int{}, f.traces(shop))
}

// traffic stores one application's requests until it is told to stop, delivers some twice, and sums the outcomes up.
type traffic struct {
	*fixture
	store       *Postgres
	application uuid.UUID

	mu       sync.Mutex
	sent     []event.Request
	outcomes Outcomes
}

func (w *traffic) step(n int) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := w.request(w.application, item(fmt.Sprint(n), fmt.Sprint("s", n%5), ""), item(fmt.Sprint(n-1), "s", ""), refused("{}", "field.missing"))
	w.sent = append(w.sent, r)
	batch := []event.Request{r, w.sent[n/2]}
	outcomes, err := w.store.Insert(w.Context(), records(w.entry(batch...)))
	for o, n := range outcomes {
		w.outcomes[o] += n
	}
	return err
}

// TestEraseUnderLoad erases one of two applications three times while both go on, by two replicas' erasers. What was
// stored before a call is gone after it, what is sent after the answer stays, and every event has ended once.
func TestEraseUnderLoad(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	running, stop := context.WithCancel(t.Context())
	var actors, load sync.WaitGroup
	erasers := []*Eraser{f.eraser(f.replica("e1")), f.eraser(f.replica("e2"))}
	for _, e := range erasers {
		actors.Go(func() { _ = e.Run(running) })
	}
	both := []*traffic{}
	halt := make(chan struct{})
	for _, application := range []uuid.UUID{shop, blog} {
		w := &traffic{fixture: &fixture{TB: t, sequencer: event.NewSequencer(time.Now)}, store: f.replica(application.String()), application: application, outcomes: Outcomes{}}
		both = append(both, w)
		load.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-halt:
					return
				default:
				}
				if err := w.step(n); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for i := range 3 {
		asked := time.Now()
		progress, err := erasers[i%2].Erase(t.Context(), shop)
		if err != nil || progress.State != EraseEnded {
			t.Fatalf("%+v, %v", progress, err)
		}
		if n := f.count("SELECT count(*) FROM persistence.events WHERE application = $1 AND received_at <= $2", shop, asked); n != 0 {
			t.Errorf("%d events from before are left", n)
		}
		before := f.count("SELECT count(*) FROM persistence.events WHERE application = $1", blog)
		f.insert(f.request(shop, item(fmt.Sprint("after ", i), "s", "")))
		if n := f.count("SELECT count(*) FROM persistence.events WHERE id = $1", fmt.Sprint("after ", i)); n != 1 || before == 0 {
			t.Errorf("%d events sent after the answer are stored; the neighbour has %d", n, before)
		}
	}
	close(halt)
	load.Wait()
	stop()
	actors.Wait()
	for _, w := range both {
		o := w.outcomes
		if sent := int64(len(w.sent)); o[Stored]+o[Duplicate]+o[Conflict]+o[Failed]+o[Erased] != 2*sent || o[Refused]+o[ErasedRefusal] != sent {
			t.Errorf("%d requests ended as %v", sent, o)
		}
		if erased := o[Erased]; w.application == blog && erased > 0 {
			t.Errorf("%d events of the neighbour are erased", erased)
		}
	}
	f.recounted("afterwards")
	if deadlocks := f.count("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"); deadlocks > 0 {
		t.Errorf("%d deadlocks", deadlocks)
	}
}
