package ingest

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/event"
)

// counter is a clock that a test sets, and a budget by it.
type counter struct {
	*testing.T
	clock  time.Time
	budget *Budget
}

func newCounter(t *testing.T) *counter {
	t.Helper()
	c := &counter{T: t, clock: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	c.budget = NewBudget(func() time.Time { return c.clock })
	return c
}

func refusedItem(code event.Code, size int) *event.Item {
	return &event.Item{Original: make([]byte, size), Refusal: &event.Refusal{Code: code, Detail: "0123456789", Pointer: "/data"}}
}

// recorded tells how many of n events of a code are recorded.
func (c *counter) recorded(o owner, code event.Code, size, n int) (taken int) {
	item := refusedItem(code, size)
	for range n {
		if c.budget.take(o, item) > 0 {
			taken++
		}
	}
	return taken
}

var shopOwner = owner{application: uuid.UUID{15: 1}}

// Whatever one request can bring is recorded whole: as many events as there may be, and as many bytes.
func TestBudgetRecordsARequestWhole(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1, event.MaxRequestBytes / event.MaxEvents, 10_000, event.MaxEventBytes} {
		n := min(event.MaxEvents, event.MaxRequestBytes/size)
		if got := newCounter(t).recorded(shopOwner, event.CodeSchemaMismatch, size, n); got != n {
			t.Errorf("of %d events of %d bytes %d are recorded", n, size, got)
		}
	}
}

// A flood is recorded up to half of what there is; another code, other owners and web pages find room beside it.
func TestBudgetLeavesRoomForOthers(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	const size = 500
	cost := rowBytes + size + 15
	flood := c.recorded(shopOwner, event.CodeMissing, size, 100_000)
	if want := recordedAtOnce / 2 / cost; flood != want {
		t.Errorf("of a flood %d are recorded, want %d", flood, want)
	}
	if got := c.recorded(shopOwner, event.CodeUnknown, size, 100_000); got < flood/3 {
		t.Errorf("beside it %d of another code", got)
	}
	if got := c.recorded(shopOwner, event.CodeTooOld, size, 100); got != 100 {
		t.Errorf("beside both %d of 100 of a third", got)
	}
	for _, other := range []owner{{shopOwner.application, true}, {application: uuid.UUID{15: 2}}} {
		if got := c.recorded(other, event.CodeMissing, size, 5000); got != 5000 {
			t.Errorf("of %v %d are recorded", other, got)
		}
	}
}

func TestBudgetComesBack(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	const size = 512 - 15
	c.recorded(shopOwner, event.CodeMissing, size, 100_000)
	c.clock = c.clock.Add(-time.Hour)
	if got := c.recorded(shopOwner, event.CodeMissing, size, 100); got != 0 {
		t.Errorf("a clock that steps back gave %d", got)
	}
	c.clock = c.clock.Add(time.Hour)
	for range 100 { // in small steps as in large ones
		c.clock = c.clock.Add(100 * time.Millisecond)
		c.budget.take(shopOwner, refusedItem(event.CodeMissing, event.MaxEventBytes))
	}
	if got := c.recorded(shopOwner, event.CodeMissing, size, 100); got < 19 || got > 20 {
		t.Errorf("10 s gave %d events of 1 KiB, want two a second", got)
	}
	c.clock = c.clock.Add(24 * time.Hour)
	if got := c.recorded(shopOwner, event.CodeMissing, size, 100_000); got != recordedAtOnce/2/1024 {
		t.Errorf("after a day %d are recorded", got)
	}
}

// Whatever is sent, a day's record is bounded by what decision 0009 says: 16 MiB, and 2 KiB a second.
func TestBudgetBoundsADay(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	random := rand.New(rand.NewPCG(1, 2))
	codes := []event.Code{event.CodeMissing, event.CodeType, event.CodeLength, event.CodeUnknown, event.CodeSyntax, event.CodeTooLarge}
	total, item := 0, refusedItem("", 64<<10)
	for end := c.clock.Add(24 * time.Hour); c.clock.Before(end); c.clock = c.clock.Add(time.Duration(random.IntN(60_000)) * time.Millisecond) {
		for range random.IntN(100) {
			size := random.IntN(64 << 10)
			item.Original, item.Refusal.Code = item.Original[:size], codes[random.IntN(len(codes))]
			if c.budget.take(shopOwner, item) > 0 {
				total += rowBytes + size + 15
			}
		}
	}
	if most := recordedAtOnce + 86_400*recordedPerSecond; total > most || total < most/2 {
		t.Errorf("a day's record has %d bytes, at most %d are promised", total, most)
	}
}

// Accounts of owners that have been quiet go.
func TestBudgetForgets(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	for n := range 10_000 {
		c.recorded(owner{application: uuid.UUID{0: byte(n >> 8), 1: byte(n)}}, event.CodeMissing, 100, 1)
		c.clock = c.clock.Add(time.Second)
	}
	if n := len(c.budget.accounts); n > 100 {
		t.Errorf("%d accounts are open, of owners that had one event refused", n)
	}
}

func TestBudgetIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	budget := NewBudget(time.Now)
	var wg sync.WaitGroup
	var mu sync.Mutex
	taken := 0
	for range 8 {
		wg.Go(func() {
			n := 0
			for range 2000 {
				if budget.take(shopOwner, refusedItem(event.CodeMissing, 4000)) > 0 {
					n++
				}
			}
			mu.Lock()
			defer mu.Unlock()
			taken += n
		})
	}
	wg.Wait()
	if most := (recordedAtOnce/2 + 60*recordedPerSecond) / (rowBytes + 4015); taken > most {
		t.Errorf("%d are recorded, at most %d may be", taken, most)
	}
}
