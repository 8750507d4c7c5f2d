package kube

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/theeye-dev/theeye/services/internal/fault"
)

// asked has questions answered by the API server, each once for all who ask it at the same time, and remembers the
// answers for a while. What was refused has a memory of its own, so that no flood of it pushes out what was allowed.
type asked[V any] struct {
	subject string // of the questions, for who reads of an outage
	logger  *slog.Logger
	now     func() time.Time
	metrics outcomes

	allowed, refused *memory[V]
	flights          singleflight.Group
	failing          atomic.Bool // the last question got no answer
}

// recall returns what is remembered.
func (a *asked[V]) recall(question string) (answer[V], bool) {
	now := a.now()
	if found, ok := a.allowed.find(question, now); ok {
		return found, true
	}
	return a.refused.find(question, now)
}

// ask answers from memory, or has ask do it. Whoever goes away does not take the answer from the others: the question
// ends by its own timeout.
func (a *asked[V]) ask(ctx context.Context, question string, ask func(context.Context) (answer[V], error)) (V, error) {
	flight := a.flights.DoChan(question, func() (any, error) {
		if found, ok := a.recall(question); ok { // by a flight that ended just before this one began
			return found, nil
		}
		return a.decide(context.WithoutCancel(ctx), question, ask)
	})
	var none V
	select {
	case <-ctx.Done():
		return none, fault.Wrap(fault.CodeUnavailable, "the request ended before Kubernetes had answered", ctx.Err())
	case landed := <-flight:
		if landed.Err != nil {
			return none, landed.Err
		}
		found, _ := landed.Val.(answer[V])
		return found.value, found.err
	}
}

// decide asks the API server and remembers its answer. That it gave none is not remembered.
func (a *asked[V]) decide(ctx context.Context, question string, ask func(context.Context) (answer[V], error)) (answer[V], error) {
	made, err := ask(ctx)
	a.note(ctx, err)
	if err != nil {
		a.metrics.failed(ctx)
		return made, fault.Wrap(fault.CodeUnavailable, "Kubernetes cannot be asked about the "+a.subject+"; repeat the request", err)
	}
	if made.err != nil {
		a.metrics.refused(ctx)
		a.refused.keep(question, made, a.now())
	} else {
		a.metrics.allowed(ctx)
		a.allowed.keep(question, made, a.now())
	}
	return made, nil
}

// note logs when questions begin to fail and when they are answered again, and not each time.
func (a *asked[V]) note(ctx context.Context, err error) {
	failing := err != nil
	if a.failing.Swap(failing) == failing {
		return
	}
	if failing {
		a.logger.WarnContext(ctx, "kubernetes answers no questions", "subject", a.subject, "error", err)
	} else {
		a.logger.InfoContext(ctx, "kubernetes answers questions again", "subject", a.subject)
	}
}
