package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Errors of Send and TrySend.
var (
	// ErrQueueFull says that the Sender holds as many events as it may: TheEye takes fewer than come, or none now.
	ErrQueueFull = errors.New("the queue of events is full")
	// ErrClosed says that the Sender takes no more.
	ErrClosed = errors.New("the sender is closed")
)

// SenderConfig says how events are collected. Its zero value is good for most.
type SenderConfig struct {
	// MaxEvents, MaxBytes and MaxDelay end a batch: what comes first. Defaults 500, 512 KiB (half of what common proxies
	// allow) and 1 s. An event larger than MaxBytes goes alone.
	MaxEvents, MaxBytes int
	MaxDelay            time.Duration
	// QueueEvents and QueueBytes bound what is held, batches on their way included. Defaults 10,000 and 32 MiB. In memory
	// an event takes some 250 bytes beside its own, and those of the batches on their way are there twice.
	QueueEvents, QueueBytes int
	// Concurrency is how many batches are on their way at once. Default 2.
	Concurrency int
	// GiveUpAfter is how long an event is tried for. Default 24 h; negative: until the Sender is closed.
	GiveUpAfter time.Duration
	// OnResult gets every event's result, one call at a time. It may use TrySend; Send, Flush and Close could wait for it
	// for ever. Nil: what was rejected is only counted, and to be seen as a Failure of TheEye's.
	OnResult func(Result)
	// OnTrouble hears why a batch waits before it is tried again, and how long. It may be called by several goroutines.
	OnTrouble func(err error, wait time.Duration)
}

// withDefaults fills in what is not set, and keeps a batch within a request.
func (c SenderConfig) withDefaults() SenderConfig {
	const (
		events, bytes, delay    = 500, 512 << 10, time.Second
		queueEvents, queueBytes = 10_000, 32 << 20
		concurrency, giveUp     = 2, 24 * time.Hour
	)
	c.QueueEvents = max(cmp.Or(c.QueueEvents, queueEvents), 1)
	c.QueueBytes = max(cmp.Or(c.QueueBytes, queueBytes), 1)
	c.MaxEvents = min(max(cmp.Or(c.MaxEvents, events), 1), c.QueueEvents, MaxRequestEvents)
	c.MaxBytes = min(cmp.Or(c.MaxBytes, bytes), c.QueueBytes, MaxRequestBytes)
	c.MaxDelay = cmp.Or(c.MaxDelay, delay)
	c.Concurrency = max(cmp.Or(c.Concurrency, concurrency), 1)
	if c.GiveUpAfter = cmp.Or(c.GiveUpAfter, giveUp); c.GiveUpAfter < 0 {
		c.GiveUpAfter = 0
	}
	return c
}

// Sender collects events and posts them in the background, in batches. It may be used by many goroutines at once. It
// has to be closed.
type Sender struct {
	client *Client
	config SenderConfig
	queue  *queue
	wake   chan struct{} // holds one: the queue has something for run
	stop   context.CancelCauseFunc
	done   chan struct{} // closed when run and all it started have ended

	accepted, rejected, lost, retries atomic.Uint64

	telling chan struct{} // full while results are told
	left    []Event       // what Close had to leave
	leftErr error
}

// NewSender starts a Sender.
func (c *Client) NewSender(config SenderConfig) *Sender {
	s := &Sender{client: c, config: config.withDefaults(), wake: make(chan struct{}, 1), telling: make(chan struct{}, 1), done: make(chan struct{})}
	s.queue = newQueue(s.config)
	ctx, stop := context.WithCancelCause(context.Background())
	s.stop = stop
	go s.run(ctx)
	return s
}

// Format prints the Sender's counts.
func (s *Sender) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "sender %+v", s.Stats()) }

// Send hands an event over. It waits while the queue is full, as long as the context lets it; then the error wraps
// ErrQueueFull. What it has taken is posted whatever becomes of the context.
func (s *Sender) Send(ctx context.Context, e Event) error {
	it, err := s.prepare(e)
	if err != nil {
		return err
	}
	for {
		changed, err := s.put(it)
		if changed == nil {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", err, context.Cause(ctx))
		}
	}
}

// TrySend hands an event over, or answers ErrQueueFull at once.
func (s *Sender) TrySend(e Event) error {
	it, err := s.prepare(e)
	if err == nil {
		_, err = s.put(it)
	}
	return err
}

func (s *Sender) prepare(e Event) (item, error) {
	if err := s.client.stamper.complete(&e); err != nil {
		return item{}, err
	}
	return encode(e)
}

func (s *Sender) put(it item) (changed <-chan struct{}, err error) {
	rouse, changed, err := s.queue.put(it, time.Now())
	if rouse {
		s.rouse()
	}
	return changed, err
}

func (s *Sender) rouse() {
	select {
	case s.wake <- struct{}{}:
	default: // it is awake
	}
}

// run posts batches until the queue is closed and empty.
func (s *Sender) run(ctx context.Context) {
	defer close(s.done)
	slots := make(chan struct{}, s.config.Concurrency)
	var flying sync.WaitGroup
	for {
		slots <- struct{}{} // before the batch is cut: it grows while others are on their way
		b := s.await()
		if b == nil {
			break
		}
		flying.Go(func() {
			s.deliver(ctx, b)
			<-slots
		})
	}
	flying.Wait()
}

// await returns the next batch, nil when there is none any more.
func (s *Sender) await() *batch {
	for {
		b, wait, ended := s.queue.take(time.Now())
		if b != nil || ended {
			return b
		}
		var due <-chan time.Time
		if wait > 0 {
			due = time.After(wait)
		}
		select {
		case <-s.wake:
		case <-due:
		}
	}
}

// deliver posts a batch and tells the results. Room is made first, so that a callback may send.
func (s *Sender) deliver(ctx context.Context, b *batch) {
	defer s.queue.land(b)
	results := make([]Result, len(b.items))
	d := delivery{client: s.client, patient: true, began: b.since, giveUp: s.config.GiveUpAfter, trouble: s.trouble}
	d.deliver(ctx, b.items, results)
	s.queue.release(b)
	s.telling <- struct{}{}
	defer func() { <-s.telling }()
	for _, r := range results {
		s.report(r, ctx.Err() != nil)
	}
}

func (s *Sender) trouble(err error, wait time.Duration) {
	s.retries.Add(1)
	if s.config.OnTrouble != nil {
		s.config.OnTrouble(err, wait)
	}
}

// report counts a result and hands it on.
func (s *Sender) report(r Result, closing bool) {
	switch {
	case r.Err != nil:
		s.lost.Add(1)
		if closing {
			s.left, s.leftErr = append(s.left, r.Event), r.Err
		}
	case r.Verdict.Status == Accepted:
		s.accepted.Add(1)
	default:
		s.rejected.Add(1)
	}
	if s.config.OnResult != nil {
		s.config.OnResult(r)
	}
}

// Flush posts what waits and returns when every event that was sent before has its result. When the context ends
// earlier, posting goes on.
func (s *Sender) Flush(ctx context.Context) error {
	number := s.queue.hurry()
	s.rouse()
	for {
		changed := s.queue.landed(number)
		if changed == nil {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("flush: %w", context.Cause(ctx))
		}
	}
}

// Close takes no more events, posts what waits, and returns when every event has its result and every goroutine has
// ended. When the context ends earlier it leaves off, and answers *UndeliveredError. It may be called again, with the
// same answer.
func (s *Sender) Close(ctx context.Context) error {
	s.queue.close()
	s.rouse()
	select {
	case <-s.done:
	case <-ctx.Done():
		s.stop(context.Cause(ctx))
		<-s.done
	}
	s.stop(nil)
	s.client.CloseIdleConnections()
	s.telling <- struct{}{}
	defer func() { <-s.telling }()
	if len(s.left) == 0 {
		return nil
	}
	return &UndeliveredError{Events: s.left, Err: s.leftErr}
}

// UndeliveredError has what Close had to leave. The events may have arrived all the same; to send them later, as they
// are, is safe.
type UndeliveredError struct {
	Events []Event // with their ids and timestamps
	Err    error   // why, of the last of them
}

// Error tells how many, and why.
func (e *UndeliveredError) Error() string {
	return fmt.Sprintf("%d events were not delivered: %v", len(e.Events), e.Err)
}

// Unwrap returns the reason.
func (e *UndeliveredError) Unwrap() error { return e.Err }

// Stats are a Sender's counts since it was made.
type Stats struct {
	Queued, QueuedBytes int    // at the moment, batches on their way included
	Accepted, Rejected  uint64 // verdicts
	Undelivered         uint64 // events without a verdict
	Retries             uint64 // waits before another try
}

// Stats returns the counts.
func (s *Sender) Stats() Stats {
	events, bytes := s.queue.size()
	return Stats{
		Queued: events, QueuedBytes: bytes, Accepted: s.accepted.Load(), Rejected: s.rejected.Load(),
		Undelivered: s.lost.Load(), Retries: s.retries.Load(),
	}
}
