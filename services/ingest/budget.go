package ingest

import (
	"sync"
	"time"

	"github.com/theeye-dev/theeye/api/event"
)

const (
	// recordedAtOnce is how much of an owner's refused events is recorded at once, in bytes. One code may take half: more
	// than any request can bring (4 MiB of originals, 5,000 rows of rowBytes, and what is said of them), so that what is
	// refused of a request from a client that is otherwise well is always recorded whole.
	recordedAtOnce = 16 << 20
	// recordedPerSecond is what comes back of it, in bytes a second: two usual events (400 bytes, and their rows), so that
	// what goes wrong now and then for months is recorded whole, and of a flood 169 MiB a day.
	recordedPerSecond = 2 << 10
	// rowBytes is what a Failure takes in PostgreSQL beside its original, detail and pointer; measured: decision 0009.
	rowBytes = 512
	// glances is how many other accounts are looked at when one is opened: more than one, so that there are no more of
	// them than owners with something refused lately.
	glances = 2
)

// Budget decides which refused events are recorded one by one, and which are only counted. It shares out what may be
// recorded as Admission does memory: an owner's codes get equal parts, and a code that comes new finds room beside any
// that floods. It is safe for concurrent use.
type Budget struct {
	now func() time.Time

	mu       sync.Mutex
	accounts map[owner]*account
}

// account is what was recorded of an owner lately and did not come back yet, in bytes.
type account struct {
	spent costs
	at    time.Time // up to which it is known
}

// NewBudget returns a Budget of which nothing is spent.
func NewBudget(now func() time.Time) *Budget {
	return &Budget{now: now, accounts: map[owner]*account{}}
}

// costs are what was spent by code, in bytes.
type costs map[event.Code]float64

// take spends on a refused event, unless its code would then have had more than is left for all others. It returns the
// cost; 0: nothing was spent.
func (b *Budget) take(o owner, item *event.Item) (cost float64) {
	r := item.Refusal
	cost = float64(rowBytes + len(item.Original) + len(r.Detail) + len(r.Pointer))
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.account(o)
	if a.spent[r.Code]+cost > a.free()-cost {
		return 0
	}
	a.spent[r.Code] += cost
	return cost
}

// giveBack undoes what was spent on a request of which nothing is stored.
func (b *Budget) giveBack(o owner, spent costs) {
	if len(spent) == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.account(o)
	for code, cost := range spent {
		if a.spent[code] -= cost; a.spent[code] <= 0 { // some of it has come back since
			delete(a.spent, code)
		}
	}
}

// account returns an owner's account as it is now.
func (b *Budget) account(o owner) *account {
	now := b.now()
	a, ok := b.accounts[o]
	if !ok {
		b.tidy(now)
		a = &account{spent: costs{}, at: now}
		b.accounts[o] = a
	}
	a.restore(now)
	return a
}

// tidy closes accounts of which everything came back, of a few: a map is walked from anywhere.
func (b *Budget) tidy(now time.Time) {
	looked := 0
	for o, a := range b.accounts {
		if a.restore(now); len(a.spent) == 0 {
			delete(b.accounts, o)
		}
		if looked++; looked == glances {
			return
		}
	}
}

// restore gives back what has come back since, in equal parts to every code that has spent something. A clock that
// steps back gives nothing.
func (a *account) restore(now time.Time) {
	passed := now.Sub(a.at).Seconds()
	if passed <= 0 {
		return
	}
	a.at = now
	part := recordedPerSecond * passed / float64(max(len(a.spent), 1))
	for code, spent := range a.spent {
		if spent <= part {
			delete(a.spent, code)
		} else {
			a.spent[code] = spent - part
		}
	}
}

func (a *account) free() float64 {
	free := float64(recordedAtOnce)
	for _, spent := range a.spent {
		free -= spent
	}
	return free
}
