package kit

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/theeye-dev/theeye/services/internal/atonce"
	"github.com/theeye-dev/theeye/services/internal/fault"
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
// spent, the limit is one for all. It keeps nobody from guessing, which keys of 256 bits do: it bounds what wrong
// credentials cost, because a close look at one waits for Redis or asks Kubernetes. A credential that is known to be
// right passes in any case, so whoever shares a budget with an attacker loses no request by it; one that became right
// within the last moment may have to come again. A nil *Failures limits nothing. It is safe for concurrent use.
type Failures struct {
	client func(*http.Request) netip.Addr
	now    func() time.Time
	begin  time.Time
	seed   maphash.Seed
	// whole is when each budget is whole again, in nanoseconds after begin (GCRA: the theoretical arrival time).
	whole [failureSlots]atomic.Int64

	failures           metric.Int64Counter
	isRefused, isSpent metric.MeasurementOption
}

// NewFailures returns a limit on the addresses that client finds. It registers theeye.authentication.failures: requests
// with a wrong credential, by outcome (refused after a close look, limited without one).
func NewFailures(client func(*http.Request) netip.Addr, now func() time.Time, meter metric.Meter) (*Failures, error) {
	outcome := func(value string) metric.MeasurementOption {
		return metric.WithAttributeSet(attribute.NewSet(attribute.String("outcome", value)))
	}
	f := &Failures{client: client, now: now, begin: now(), seed: maphash.MakeSeed(), isRefused: outcome("refused"), isSpent: outcome("limited")}
	var err error
	f.failures, err = meter.Int64Counter("theeye.authentication.failures", metric.WithUnit("{request}"),
		metric.WithDescription("Requests with a wrong credential."))
	if err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	for _, o := range [...]metric.MeasurementOption{f.isRefused, f.isSpent} {
		f.failures.Add(context.Background(), 0, o) // from the start: a series that appears with its first failure shows no rise
	}
	return f, nil
}

// Limited authenticates a request by find, which is asked twice where the credential is not right at first: once for
// what is known at once, then, for one of its address' budget, with the patience that a credential of this moment
// needs. Beyond the budget the answer is 429 at once. A request without any credential is no failure.
func Limited[P any](ctx context.Context, f *Failures, r *http.Request, find func(context.Context) (P, error)) (P, error) {
	if f == nil {
		return find(ctx)
	}
	principal, err := find(atonce.Context(ctx))
	if !refused(err) {
		return principal, err
	}
	budget := f.budget(r)
	if wait := f.take(budget); wait > 0 {
		f.failures.Add(ctx, 1, f.isSpent)
		return principal, &fault.Error{
			Code: fault.CodeManyFailures, RetryAfter: wait,
			Detail: "this credential is not known, and this address has sent too many wrong ones to look closer",
		}
	}
	principal, err = find(ctx)
	if !refused(err) {
		f.giveBack(budget)
		return principal, err
	}
	f.failures.Add(ctx, 1, f.isRefused)
	return principal, err
}

// refused tells whether a credential was sent and is not right.
func refused(err error) bool {
	e, ok := errors.AsType[*fault.Error](err)
	return ok && e.Code == fault.CodeUnauthenticated && e != errNoCredential
}

// budget finds the budget of a request's address.
func (f *Failures) budget(r *http.Request) *atomic.Int64 {
	return &f.whole[maphash.Comparable(f.seed, networkOf(f.client(r)))%failureSlots]
}

// networkOf is what one host has: an address of IPv4, a network of 64 bits of IPv6. Where a connection has no address
// it is the zero Addr, one for all.
func networkOf(address netip.Addr) netip.Addr {
	address = address.Unmap().WithZone("")
	if !address.Is6() {
		return address
	}
	network := address.As16()
	clear(network[8:])
	return netip.AddrFrom16(network)
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

// giveBack undoes a take: the credential was right after all, or could not be looked at.
func (f *Failures) giveBack(budget *atomic.Int64) { budget.Add(-int64(failureEvery)) }
