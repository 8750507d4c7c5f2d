package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// allTimeout is how long one phase may take for each Application, and phaseTimeout whatever their number.
	allTimeout   = 500 * time.Millisecond
	phaseTimeout = 2 * time.Minute
	// quiet is how long nothing is asked of the API server before everything counts as settled, and settleTimeout how long
	// that is waited for: an operator that never settles shows in the next phase.
	quiet         = 3 * time.Second
	settleTimeout = 30 * time.Second
	// scrapeEvery is how often the operator itself is asked; an answer has lines for every Application.
	scrapeEvery = 2 * time.Second
	changes     = 20
)

// measure does everything in order.
func (w *world) measure(ctx context.Context) (r *report, err error) {
	r = &report{Applications: w.config.applications}
	w.config.progress("creating %d Applications", r.Applications)
	if err := w.cluster.createAll(ctx, r.Applications); err != nil {
		return nil, err
	}
	if w.watch, err = w.cluster.watchApplications(ctx); err != nil {
		return nil, err
	}
	for _, step := range []func(context.Context, *report) error{w.cold, w.idle, w.restart, w.change} {
		if err := step(ctx, r); err != nil {
			return nil, err
		}
	}
	return r, w.count(ctx, r)
}

func (w *world) limit() time.Duration {
	return phaseTimeout + time.Duration(w.config.applications)*allTimeout
}

// cold is from the operator's start until every Application is Ready.
func (w *world) cold(ctx context.Context, r *report) error {
	w.config.progress("cold: starting the operator")
	begin, err := w.begin(ctx, true)
	if err != nil {
		return err
	}
	if err := w.wait(ctx, w.limit(), func(context.Context) error { return w.watch.missing(r.Applications) }); err != nil {
		return fmt.Errorf("wait for Applications: %w", err)
	}
	if r.Cold, err = w.end(ctx, begin); err != nil {
		return err
	}
	if r.Cold.Leading, err = w.leading(ctx); err != nil {
		return err
	}
	w.config.progress("cold: all Ready after %.1f s; waiting until nothing is asked any more", r.Cold.Seconds)
	return w.settle(ctx, r)
}

// settle waits until the last of what all Applications caused is done, and counts it to the cold start.
func (w *world) settle(ctx context.Context, r *report) error {
	begin, err := w.begin(ctx, false)
	if err != nil {
		return err
	}
	still, last, all := time.Now(), 0, newAsked()
	_ = w.wait(ctx, settleTimeout, func(context.Context) error {
		by, err := w.audit.take()
		if err != nil {
			return err
		}
		if now := by[username("theeye-operator")]; now != nil {
			all.add(now)
		}
		if n := all.Requests.total(); n != last {
			still, last = time.Now(), n
		}
		if time.Since(still) < quiet {
			return errors.New("not settled")
		}
		return nil
	})
	after, err := w.end(ctx, begin)
	if err != nil {
		return err
	}
	r.Cold.API.add(all)
	r.Cold.API.add(after.API)
	r.Cold.CPU += after.CPU
	r.Cold.PeakMiB = after.PeakMiB
	for what, n := range after.Auth {
		r.Cold.Auth[what] += n
	}
	for what, n := range after.Persistence {
		r.Cold.Persistence[what] += n
	}
	return ctx.Err()
}

// idle waits while nothing changes.
func (w *world) idle(ctx context.Context, r *report) error {
	w.config.progress("idle: for %s", w.config.idle)
	begin, err := w.begin(ctx, false)
	if err != nil {
		return err
	}
	timer := time.NewTimer(w.config.idle)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-w.operator.Done():
		return fmt.Errorf("the operator ended: %w", w.operator.Err())
	case <-ctx.Done():
		return ctx.Err() //nolint:wrapcheck // run says it
	}
	r.Idle, err = w.end(ctx, begin)
	return err
}

// restart kills the operator and is from its next start until it has looked at every Application.
func (w *world) restart(ctx context.Context, r *report) error {
	w.config.progress("restart: killing the operator and starting it again")
	if err := w.operator.Kill(); err != nil {
		return fmt.Errorf("kill operator: %w", err)
	}
	begin, err := w.begin(ctx, true)
	if err != nil {
		return err
	}
	if err := w.wait(ctx, w.limit(), w.lookedAtAll(begin)); err != nil {
		return fmt.Errorf("wait for the operator to look at all Applications: %w", err)
	}
	if r.Restart, err = w.end(ctx, begin); err != nil {
		return err
	}
	r.Restart.Leading, err = w.leading(ctx)
	w.config.progress("restart: all looked at after %.1f s", r.Restart.Seconds)
	return err
}

// lookedAtAll asks auth, which is cheap, how often it was asked, and the operator itself when that may be all of it, or
// now and then.
func (w *world) lookedAtAll(begin *mark) func(context.Context) error {
	n := w.config.applications
	var scraped time.Time
	return func(ctx context.Context) error {
		served, err := w.services[serviceAuth].served(ctx)
		if err != nil {
			return err
		}
		if served.since(begin.auth).total() < n && time.Since(scraped) < scrapeEvery {
			return errors.New("auth was not asked for all")
		}
		scraped = time.Now()
		q, err := w.operator.queue(ctx)
		if err == nil && (q.reconciled < n || q.depth > 0 || q.active > 0) {
			err = fmt.Errorf("%d reconciled, %d in the queue, %d in hand", q.reconciled, q.depth, q.active)
		}
		return err
	}
}

// change creates one more Application, several times, each when the one before is Ready.
func (w *world) change(ctx context.Context, r *report) error {
	w.config.progress("change: %d more Applications, one after the other", changes)
	for i := range changes {
		app := newApplication(r.Applications + i)
		took, err := w.published(ctx, app.Namespace, app.SecretName(), func() error { return w.cluster.client.Create(ctx, app) })
		if err != nil {
			return fmt.Errorf("add an Application: %w", err)
		}
		r.Changes = append(r.Changes, took.Seconds())
		if err := w.wait(ctx, phaseTimeout, func(context.Context) error { return w.watch.missing(r.Applications + i + 1) }); err != nil {
			return fmt.Errorf("wait for an Application: %w", err)
		}
	}
	return nil
}

// published is the time from a change until a Secret is there.
func (w *world) published(ctx context.Context, namespace, name string, apply func() error) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, phaseTimeout)
	defer cancel()
	secrets, err := w.cluster.client.Watch(ctx, &corev1.SecretList{}, client.InNamespace(namespace), client.MatchingFields{"metadata.name": name})
	if err != nil {
		return 0, fmt.Errorf("watch Secret: %w", err)
	}
	defer secrets.Stop()
	begin := time.Now()
	if err := apply(); err != nil {
		return 0, err
	}
	for event := range secrets.ResultChan() {
		if secret, ok := event.Object.(*corev1.Secret); ok && secret.Name == name {
			return time.Since(begin), nil
		}
	}
	return 0, errors.New("the watch of the Secret ended")
}

// count looks at what is there in the end.
func (w *world) count(ctx context.Context, r *report) (err error) {
	want := r.Applications + changes
	if err := w.watch.missing(want); err != nil {
		r.Wrong = append(r.Wrong, err.Error())
	}
	if r.Secrets, r.Candidates, err = w.cluster.secrets(ctx); err != nil {
		return err
	}
	r.judge(want)
	return nil
}
