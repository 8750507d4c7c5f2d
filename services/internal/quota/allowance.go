package quota

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/theeye-dev/theeye/services/internal/fault"
)

// Allowance is what one request may draw on. A nil Allowance limits nothing.
type Allowance struct {
	limiter *Limiter
	meter   *meter
	limit   Limit
	wait    time.Duration // what the request was refused for
}

// Take lets n events through, all or none. It waits, for 100 ms at most, only where the replica's lease does not hold
// them. Errors are faults of code fault.CodeRate, or fault.CodeTooManyEvents for more than may ever come at once: those
// cost all that may, for they were judged.
func (a *Allowance) Take(ctx context.Context, n int) error {
	if a == nil || n == 0 {
		return nil
	}
	most := int(a.limit.Burst)
	if err := a.take(ctx, min(n, most)); err != nil || n <= most {
		return err
	}
	return fault.New(fault.CodeTooManyEvents, fmt.Sprintf(
		"%s may send %d events at once, and the request has %d; send it in parts; nothing was stored", a.whose(), most, n))
}

func (a *Allowance) take(ctx context.Context, n int) error {
	o := a.meter.take(a.limit, n, a.limiter.now())
	a.limiter.enqueue(a.meter, o.queue, o.urgent)
	if o.ask {
		o.wait = a.limiter.ask(ctx, a.meter, n)
	}
	if o.wait > 0 {
		return a.refuse(ctx, o.wait, fmt.Sprintf("; the request has %d", n))
	}
	return nil
}

// Charge counts n events, or all that may come at once, for what a request cost that is refused whole. It never refuses:
// what is not there is a debt, and comes back before anything else is let through.
func (a *Allowance) Charge(n int) {
	if a != nil && n > 0 {
		a.limiter.enqueue(a.meter, a.meter.charge(a.limit, min(int64(n), a.limit.Burst), a.limiter.now()), false)
	}
}

// GiveBack undoes Take for events that could not be stored.
func (a *Allowance) GiveBack(n int) {
	if a != nil {
		a.limiter.enqueue(a.meter, a.meter.giveBack(n, a.limiter.now()), false)
	}
}

// Exhausted refuses a request whose events are not known yet, when not even one would be let through.
func (a *Allowance) Exhausted(ctx context.Context) error {
	if a == nil {
		return nil
	}
	if level, _ := a.meter.state(a.limit, a.limiter.now()); level < unit {
		return a.refuse(ctx, a.limit.wait(level, unit), "")
	}
	return nil
}

func (a *Allowance) refuse(ctx context.Context, wait time.Duration, request string) error {
	a.wait = max(wait, time.Second) // what Retry-After says at least
	a.limiter.metrics.refused(ctx, a.meter.id.public)
	return &fault.Error{Code: fault.CodeRate, RetryAfter: a.wait, Detail: fmt.Sprintf(
		"%s may send %d events per second, %d at once%s; nothing was stored", a.whose(), a.limit.Rate, a.limit.Burst, request)}
}

func (a *Allowance) whose() string {
	if a.meter.id.public {
		return "web pages of the application"
	}
	return "the application"
}

// policyField is RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers, section 3): the burst, and the seconds in
// which all of it comes back. None of the registered units is events.
func policyField(i id, l Limit) string {
	return fmt.Sprintf(`%q;q=%d;qu="events";w=%d`, name(i), l.Burst, seconds(l.wait(0, l.full())))
}

// name of a bucket in the fields.
func name(i id) string {
	if i.public {
		return "public"
	}
	return "application"
}

// Header sets RateLimit-Policy and RateLimit (section 4 of the draft) as they are now: what is left, and the time in
// which no more than that may be sent. That is what it takes at the allowed rate, so that a client which spreads it
// evenly is never refused; after a refusal it is Retry-After.
func (a *Allowance) Header(h http.Header) {
	if a == nil {
		return
	}
	level, policy := a.meter.state(a.limit, a.limiter.now())
	left, window := max(0, level/unit), a.wait
	switch {
	case window > 0:
	case left == 0:
		window = a.limit.wait(level, unit)
	default:
		window = a.limit.wait(0, left*unit)
	}
	field := append(make([]byte, 0, 48), '"')
	field = append(append(field, name(a.meter.id)...), `";r=`...)
	field = append(strconv.AppendInt(field, left, 10), ";t="...)
	h["Ratelimit-Policy"] = []string{policy}
	h["Ratelimit"] = []string{string(strconv.AppendInt(field, seconds(window), 10))}
}

// seconds rounds up, to one at least.
func seconds(d time.Duration) int64 { return max(1, int64((d+time.Second-1)/time.Second)) }
