package kube

import (
	"maps"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/theeye-dev/theeye/services/internal/fault"
)

// ownPerSecond and ownBurst bound what one person asks about things by name, which can be made up without end: a tenth of
// what all people ask together, so that nobody takes it from the others. A page of the console asks ten such questions.
// Those about whole namespaces have no such limit: there are five for each namespace, which all are remembered.
const (
	ownPerSecond = peoplePerSecond / 10
	ownBurst     = 200
)

// askers has the budget of everybody who asks. By name: a person can have as many tokens as they like.
type askers struct {
	mu      sync.Mutex
	budgets map[string]*rate.Limiter
	rest    *rate.Limiter // of those for whom there is no room
}

func newAskers() *askers { return &askers{budgets: map[string]*rate.Limiter{}, rest: newBudget()} }

func newBudget() *rate.Limiter { return rate.NewLimiter(ownPerSecond, ownBurst) }

// take takes one question from somebody's budget; the error, a fault, is that it is spent.
func (a *askers) take(name string, now time.Time) error {
	if a.budget(name, now).AllowN(now, 1) {
		return nil
	}
	return fault.New(fault.CodeRate, "you ask about more than can be found out at a time whether you may; repeat the request later")
}

// budget finds somebody's. Whose is whole is as new, and is forgotten when there is no room for another.
func (a *askers) budget(name string, now time.Time) *rate.Limiter {
	a.mu.Lock()
	defer a.mu.Unlock()
	if known, ok := a.budgets[name]; ok {
		return known
	}
	if len(a.budgets) >= maxPeople {
		maps.DeleteFunc(a.budgets, func(_ string, b *rate.Limiter) bool { return b.TokensAt(now) >= ownBurst })
	}
	if len(a.budgets) >= maxPeople {
		return a.rest
	}
	made := newBudget()
	a.budgets[name] = made
	return made
}
