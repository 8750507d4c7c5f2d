package kit

import (
	"context"
	"errors"
	"hash/maphash"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/theeye-dev/theeye/services/internal/fault"
	"github.com/theeye-dev/theeye/services/internal/keyring"
)

const (
	// failureBudget is how many wrong credentials one address may send at once: a rollout of a hundred pods that still
	// have a revoked key, seen behind one gateway, is told exactly what is wrong.
	failureBudget = 100
	// failureEvery is how long the budget takes to grow by one.
	failureEvery = time.Second
	// failureSlots of eight bytes each are all the memory there is, however many addresses come.
	failureSlots = 1 << 16
)

// Failures limits failed authentication by the address that it comes from. Addresses share a fixed number of budgets,
// spread by a hash that nobody can foresee: two of them rarely share one, and when so many fail that all budgets are
// spent, the limit is one for all. A credential that is right passes in any case, so whoever shares a budget with an
// attacker loses no request by it. A nil *Failures limits nothing. It is safe for concurrent use.
type Failures struct {
	client func(*http.Request) netip.Addr
	now    func() time.Time
	begin  time.Time
	seed   maphash.Seed
	// whole is when each budget is whole again, in nanoseconds after begin (GCRA: the theoretical arrival time).
	whole [failureSlots]atomic.Int64
}

// NewFailures returns a limit on the addresses that client finds.
func NewFailures(client func(*http.Request) netip.Addr, now func() time.Time) *Failures {
	return &Failures{client: client, now: now, begin: now(), seed: maphash.MakeSeed()}
}

// Limited authenticates a request by find, which is asked twice where the credential is not right at first: once for
// what is known at once, then, for one of its address' budget, with the patience that a credential of this moment
// needs. Beyond the budget the answer is 429 at once. A request without any credential is no failure.
func Limited[P any](ctx context.Context, f *Failures, r *http.Request, find func(context.Context) (P, error)) (P, error) {
	if f == nil {
		return find(ctx)
	}
	principal, err := find(keyring.AtOnce(ctx))
	if !refused(err) {
		return principal, err
	}
	budget := f.budget(r)
	if wait := f.take(budget); wait > 0 {
		return principal, &fault.Error{
			Code: fault.CodeManyFailures, RetryAfter: wait,
			Detail: "this credential is not known, and this address has sent too many wrong ones to look closer; a right one is taken in any case",
		}
	}
	principal, err = find(ctx)
	if !refused(err) {
		f.giveBack(budget)
	}
	return principal, err
}

// refused tells whether a credential was sent and is not right.
func refused(err error) bool {
	e, ok := errors.AsType[*fault.Error](err)
	return ok && e.Code == fault.CodeUnauthenticated && e != errNoCredential
}

// budget finds the budget of a request's address: of an IPv4 address, or an IPv6 network of 64 bits, which one host has.
func (f *Failures) budget(r *http.Request) *atomic.Int64 {
	address := f.client(r).Unmap()
	network := address.As16()
	if address.Is6() {
		clear(network[8:])
	}
	return &f.whole[maphash.Bytes(f.seed, network[:])%failureSlots]
}

// take takes one from a budget, or answers how long to wait for it.
func (f *Failures) take(budget *atomic.Int64) (wait time.Duration) {
	for {
		now, whole := int64(f.now().Sub(f.begin)), budget.Load()
		if wait := whole - now - int64((failureBudget-1)*failureEvery); wait > 0 {
			return time.Duration(wait)
		}
		if budget.CompareAndSwap(whole, max(whole, now)+int64(failureEvery)) {
			return 0
		}
	}
}

// giveBack undoes a take: the credential was right after all.
func (f *Failures) giveBack(budget *atomic.Int64) { budget.Add(-int64(failureEvery)) }
