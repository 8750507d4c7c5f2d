package quota

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

//go:embed settle.lua
var settleSource string

var settleScript = redis.NewScript(settleSource)

// settle exchanges the bills of what is queued for what is left, and returns how long to pause.
func (l *Limiter) settle(ctx context.Context) (pause time.Duration) {
	bills := l.bills()
	if len(bills) == 0 {
		return 0
	}
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	begin := l.clock()
	failed, err := l.exchange(ctx, bills)
	l.metrics.settled(ctx, len(bills), failed)
	if l.note(ctx, err); err != nil {
		return maxPause
	}
	return min(share*l.clock().Sub(begin), maxPause)
}

// bills takes from the queue what fits into one exchange.
func (l *Limiter) bills() []bill {
	l.queueMu.Lock()
	defer l.queueMu.Unlock()
	n := min(len(l.queue), maxBills)
	bills, now := make([]bill, n), l.now()
	for i, m := range l.queue[:n] {
		m.unqueue()
		bills[i] = m.bill(0, now)
	}
	l.queue = append(l.queue[:0], l.queue[n:]...)
	return bills
}

// exchange presents bills in one round trip, or two where Redis does not know the script yet.
func (l *Limiter) exchange(ctx context.Context, bills []bill) (failed int, err error) {
	unknown, failed, err := l.present(ctx, bills, settleScript.EvalSha)
	if len(unknown) > 0 {
		_, failedAgain, errAgain := l.present(ctx, unknown, settleScript.Eval)
		return failed + failedAgain, errors.Join(err, errAgain)
	}
	return failed, err
}

// eval is one of redis.Script's ways.
type eval = func(ctx context.Context, c redis.Scripter, keys []string, args ...any) *redis.Cmd

// present has bills charged in one pipeline, and tells the meters. Those that Redis knew no script for were not.
func (l *Limiter) present(ctx context.Context, bills []bill, by eval) (unknown []bill, failed int, err error) {
	pipe := l.client.Pipeline()
	answers := make([]*redis.Cmd, len(bills))
	for i, b := range bills {
		answers[i] = by(ctx, pipe, b.keys(), b.arguments()...)
	}
	_, _ = pipe.Exec(ctx) // every answer is looked at
	for i, b := range bills {
		a, problem := answerOf(answers[i])
		switch {
		case problem == nil:
			l.enqueue(b.meter, b.meter.tell(b, a), false)
		case redis.HasErrorPrefix(problem, "NOSCRIPT"):
			unknown = append(unknown, b)
		default:
			failed, err = failed+1, fmt.Errorf("settle limits: %w", problem) // one of them says enough
			_, queue := b.meter.unanswered(b, l.now())
			l.enqueue(b.meter, queue, false)
		}
	}
	return unknown, failed, err
}

// ask has Redis decide on n events that a meter took, and returns how long it takes until they would be let through.
// The client that goes away meanwhile changes nothing: what was asked for is charged.
func (l *Limiter) ask(ctx context.Context, m *meter, n int) (wait time.Duration) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	b := m.bill(n, l.now())
	a, err := answerOf(settleScript.Run(ctx, l.client, b.keys(), b.arguments()...))
	if err != nil {
		l.metrics.settled(ctx, 1, 1)
		wait, queue := m.unanswered(b, l.now())
		l.enqueue(m, queue, true) // Run finds out more, and logs it
		return wait
	}
	l.metrics.settled(ctx, 1, 0)
	l.enqueue(m, m.tell(b, a), false)
	if a.granted {
		return 0
	}
	return b.limit.wait(a.level, needed(b.limit, n))
}

func (b bill) keys() []string { return []string{b.meter.id.key()} }

func (b bill) arguments() []any {
	return []any{b.limit.Rate, b.limit.Burst, b.spent, b.span, b.asked}
}

func answerOf(cmd *redis.Cmd) (a answer, err error) {
	values, err := cmd.Int64Slice()
	if err == nil && len(values) != 3 {
		err = errAnswer
	}
	if err != nil {
		return a, err
	}
	return answer{level: values[0], total: values[1], granted: values[2] == 1}, nil
}

var errAnswer = errors.New("the script answered something else")

// note logs once when limits cannot be settled, and once when they can again.
func (l *Limiter) note(ctx context.Context, err error) {
	switch {
	case err != nil && !l.failing:
		l.log.WarnContext(ctx, "limits are kept by this replica alone", "error", err)
	case err == nil && l.failing:
		l.log.InfoContext(ctx, "limits are kept together again")
	}
	l.failing = err != nil
}
