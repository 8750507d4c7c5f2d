package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// Post sends events and returns TheEye's verdict on each, in the same order. It tries again until all have one, as
// long as Config.RetryFor; where somebody has to act it returns at once. More events than one request may carry go in
// several, and so do those of a request that is refused for its size.
//
// An error says why events are left without a verdict: their Status is empty, and they may have been accepted or not.
// Post sets ID and Timestamp of the events that have none, so that posting the same slice again is always safe. Errors
// are *AnswerError where there was an answer. An event that cannot be sent at all makes Post return before it sends any.
func (c *Client) Post(ctx context.Context, events []Event) ([]Verdict, error) {
	items := make([]item, len(events))
	for i := range events {
		err := c.stamper.complete(&events[i])
		if err == nil {
			items[i], err = encode(events[i])
		}
		if err != nil {
			return nil, fmt.Errorf("event %d: %w", i, err)
		}
	}
	results := make([]Result, len(items))
	d := delivery{client: c, began: time.Now(), giveUp: c.config.RetryFor}
	for at := 0; at < len(items); {
		n := fit(items[at:], MaxRequestEvents, MaxRequestBytes)
		d.deliver(ctx, items[at:at+n], results[at:at+n])
		at += n
	}
	return verdicts(results)
}

// verdicts are those of results, with every reason for their lack once.
func verdicts(results []Result) ([]Verdict, error) {
	verdicts, last := make([]Verdict, len(results)), error(nil)
	var errs []error
	for i := range results {
		verdicts[i] = results[i].Verdict
		if err := results[i].Err; err != nil && err != last { //nolint:errorlint // the same one stands beside many events
			errs, last = append(errs, err), err
		}
	}
	return verdicts, errors.Join(errs...)
}

// Result is what became of an event: a verdict, or why there is none.
type Result struct {
	// Event is as it was sent: with its id, its timestamp, and a json.RawMessage as Data.
	Event   Event
	Verdict Verdict
	// Err: nothing is known about the event. Sending it again is safe.
	Err error
}

// delivery is the tries for some events.
type delivery struct {
	client  *Client
	patient bool // tries on where somebody has to act
	began   time.Time
	giveUp  time.Duration // after began; negative: at the first wait; 0: never
	trouble func(err error, wait time.Duration)
}

// deliver posts items until each has its result, as many at once as may be. A request that is too large is cut to what
// its answer has told, or else halved, down to the event at fault.
func (d *delivery) deliver(ctx context.Context, items []item, results []Result) {
	for at := 0; at < len(items); {
		end := at + d.client.burst.fit(len(items)-at)
		d.request(ctx, items[at:end], results[at:end])
		at = end
	}
}

// request is deliver for what goes at once.
func (d *delivery) request(ctx context.Context, items []item, results []Result) {
	verdicts, err := d.insist(ctx, items)
	if err != nil && kindOf(err) == tooLarge && len(items) > 1 {
		n := len(items) / 2
		if told := d.client.burst.fit(len(items)); told < len(items) {
			n = told
		}
		d.deliver(ctx, items[:n], results[:n])
		d.deliver(ctx, items[n:], results[n:])
		return
	}
	for i := range items {
		results[i] = Result{Event: items[i].event, Err: err}
		if err == nil {
			results[i].Verdict = verdicts[i]
		}
	}
}

// insist posts items until there is a result that trying again would not change.
func (d *delivery) insist(ctx context.Context, items []item) (verdicts []Verdict, err error) {
	err = d.try(ctx, func() (err error) {
		verdicts, err = d.client.attempt(ctx, items)
		return err
	})
	return verdicts, err
}

// try does something until it works, or trying again would not change that it does not.
func (d *delivery) try(ctx context.Context, once func() error) error {
	doubted := false
	for n := 0; ; n++ {
		err := once()
		if err == nil {
			return nil
		}
		k := kindOf(err)
		toAct := k == blocked || k == unclear && doubted
		if k == final || k == tooLarge || toAct && !d.patient || ctx.Err() != nil {
			return err
		}
		doubted = doubted || k == unclear
		wait := d.client.backoff(n, err)
		if d.over(ctx, time.Now().Add(wait)) {
			return fmt.Errorf("gave up after %d tries: %w", n+1, err)
		}
		if d.trouble != nil {
			d.trouble(err, wait)
		}
		if !sleep(ctx, wait) {
			return fmt.Errorf("%w after %d tries: %w", context.Cause(ctx), n+1, err)
		}
	}
}

// over tells whether a time is too late for another try.
func (d *delivery) over(ctx context.Context, next time.Time) bool {
	if deadline, ok := ctx.Deadline(); ok && next.After(deadline) {
		return true
	}
	return d.giveUp != 0 && next.Sub(d.began) > d.giveUp
}

// backoff is how long to wait after the n-th try, counted from 0: what the server asks for, and full jitter on top, so
// that clients that failed together don't come back together
// (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter).
func (c *Client) backoff(n int, err error) time.Duration {
	const doublings = 20 // more would overflow, and MaxBackoff is below
	ceiling := min(c.config.MinBackoff<<min(n, doublings), c.config.MaxBackoff)
	wait := rand.N(ceiling + 1) //nolint:gosec // spreads load, guards nothing
	if answer, ok := errors.AsType[*AnswerError](err); ok {
		wait += answer.RetryAfter
	}
	return wait
}

// sleep waits, and tells whether the context let it.
func sleep(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
