package load

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	sessions      = 4                      // that the events of a run are spread over
	retryUnknown  = 100 * time.Millisecond // after a connection error: the next connection may reach another pod
	retryDefault  = time.Second            // for a 503 without Retry-After
	settleTimeout = 45 * time.Second       // for what is still without a final answer when a run stops
)

// Plan says how a run posts.
type Plan struct {
	Run   string `json:"run"`   // names the run: the category of its events
	Rate  int    `json:"rate"`  // events a second
	Batch int    `json:"batch"` // events a request
	// Alternate uses the newest two credentials in turn, as during a rotation not all of an app's pods have the same.
	Alternate bool `json:"alternate"`
}

// state is what is known of an event.
type state uint8

const (
	pending  state = iota // no final answer yet
	acked                 // 202, accepted
	refused               // an answer that is not repeated: 401, 403, another 4xx
	rejected              // 202 with another verdict
)

// entry is one event of the run's ledger.
type entry struct {
	state   state
	unknown bool // a request with it got no answer at all at least once
	maybe   bool // it may be stored whatever is answered later: unknown, or a 5xx
}

// Run is one stretch of load: what was sent and what became of it.
type Run struct {
	plan        Plan
	prefix      string // of all ids
	client      *Client
	credentials *Credentials
	started     time.Time
	limiter     *rate.Limiter
	stop        context.CancelFunc // no new events
	abandon     context.CancelFunc // no further attempts
	workers     sync.WaitGroup

	mu     sync.Mutex
	ledger []entry
	tally  tally
	turn   int
}

// Start begins to post. The instance tells the ids of one process from those of another.
func Start(ctx context.Context, plan Plan, instance string, client *Client, credentials *Credentials) *Run {
	sending, stop := context.WithCancel(ctx)
	attempting, abandon := context.WithCancel(ctx)
	now := time.Now()
	r := &Run{
		plan: plan, prefix: plan.Run + "-" + instance + "-", client: client, credentials: credentials,
		started: now, limiter: rate.NewLimiter(rate.Limit(plan.Rate), plan.Batch), stop: stop, abandon: abandon,
		tally: newTally(now),
	}
	for range workers {
		r.workers.Go(func() {
			for r.limiter.WaitN(sending, plan.Batch) == nil {
				r.deliver(attempting, r.next())
			}
		})
	}
	return r
}

// Stop sends nothing new and settles what is under way: repeats it until it has a final answer.
func (r *Run) Stop() {
	r.stop()
	timer := time.AfterFunc(settleTimeout, r.abandon)
	r.workers.Wait()
	timer.Stop()
	r.abandon()
}

// batch is the events of one request, in the ledger from first on.
type batch struct {
	first, size int
	body        []byte
	created     time.Time
}

// next makes the next batch, and its entries in the ledger before anybody else can hear of them.
func (r *Run) next() batch {
	r.mu.Lock()
	b := batch{first: len(r.ledger), size: r.plan.Batch, created: time.Now()}
	r.ledger = append(r.ledger, make([]entry, b.size)...)
	r.mu.Unlock()
	events := make([]map[string]any, b.size)
	for i := range events {
		n := b.first + i
		events[i] = map[string]any{
			"id": fmt.Sprintf("%s%d", r.prefix, n), "session_id": r.session(n % sessions), "category": r.plan.Run,
			"name": "sent", "timestamp": b.created.UTC().Format(time.RFC3339Nano), "data": map[string]any{"n": n},
		}
	}
	b.body, _ = json.Marshal(events) // strings, numbers and maps of them
	return b
}

func (r *Run) session(n int) string { return fmt.Sprintf("%ss%d", r.prefix, n) }

// deliver repeats a batch until it has a final answer or the context ends.
func (r *Run) deliver(ctx context.Context, b batch) {
	for ctx.Err() == nil {
		credential, version := r.credential()
		begun := time.Now()
		a := r.client.post(ctx, credential, b.body)
		if a.err != nil && ctx.Err() != nil {
			a.err = ctx.Err() // our own doing: the run ends
		}
		again, after := r.record(b, a, version, begun)
		if !again {
			return
		}
		timer := time.NewTimer(after)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
}

// credential is the one to use now and its version.
func (r *Run) credential() (Credential, int) {
	_, _, newest := r.credentials.Version(0)
	r.mu.Lock()
	r.turn++
	if r.plan.Alternate && newest > 1 && r.turn%2 == 0 {
		newest--
	}
	r.mu.Unlock()
	credential, version, _ := r.credentials.Version(newest)
	return credential, version
}

// record writes an answer into the ledger, and says whether and when to send the batch again.
func (r *Run) record(b batch, a answer, version int, begun time.Time) (again bool, after time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	entries := r.ledger[b.first : b.first+b.size]
	r.tally.requests++
	if a.err == nil {
		r.tally.answer(a.status, version, now)
	}
	switch {
	case a.err != nil:
		r.tally.errors[reason(a.err)]++
		mark(entries, func(e *entry) { e.unknown, e.maybe = true, true })
		return true, retryUnknown
	case a.status == http.StatusAccepted:
		r.tally.ack(now, now.Sub(begun))
		for i := range entries {
			entries[i].state = rejected
			if i < len(a.accepted) && a.accepted[i] {
				entries[i].state = acked
			}
		}
		return false, 0
	case a.status == http.StatusTooManyRequests, a.status >= http.StatusInternalServerError:
		mark(entries, func(e *entry) { e.maybe = e.maybe || a.status >= http.StatusInternalServerError })
		if a.retryAfter == 0 {
			a.retryAfter = retryDefault
		}
		return true, a.retryAfter
	default:
		mark(entries, func(e *entry) { e.state = refused })
		return false, 0
	}
}

func mark(entries []entry, as func(*entry)) {
	for i := range entries {
		as(&entries[i])
	}
}
