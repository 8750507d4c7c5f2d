package load

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/theeye-dev/theeye/api/client"
)

const (
	sessions      = 4                      // that the events of a run are spread over
	retryUnknown  = 100 * time.Millisecond // at first, after an attempt that failed
	retryMost     = time.Second            // beside what a Retry-After asks for
	settleTimeout = 45 * time.Second       // for what is still without a final answer when a run stops
)

// Plan says how a run posts.
type Plan struct {
	Run   string `json:"run"`   // names the run: the category of its events
	Rate  int    `json:"rate"`  // events a second
	Batch int    `json:"batch"` // events a request
	// Alternate uses the newest two credentials in turn, as during a rotation not all of an app's pods have the same.
	Alternate bool `json:"alternate"`
	// Token posts with access tokens in place of the key.
	Token bool `json:"token"`
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
	first  int
	events []client.Event
}

// next makes the next batch, and its entries in the ledger before anybody else can hear of them.
func (r *Run) next() batch {
	r.mu.Lock()
	b := batch{first: len(r.ledger), events: make([]client.Event, r.plan.Batch)}
	r.ledger = append(r.ledger, make([]entry, r.plan.Batch)...)
	r.mu.Unlock()
	created := time.Now()
	for i := range b.events {
		n := b.first + i
		b.events[i] = client.Event{
			ID: fmt.Sprintf("%s%d", r.prefix, n), SessionID: r.session(n % sessions), Category: r.plan.Run, Name: "sent",
			Timestamp: created, Data: map[string]int{"n": n},
		}
	}
	return b
}

func (r *Run) session(n int) string { return fmt.Sprintf("%ss%d", r.prefix, n) }

// deliver posts a batch until it has a final answer or the context ends.
func (r *Run) deliver(ctx context.Context, b batch) {
	credential, version := r.credential()
	verdicts, err := r.client.post(ctx, identity{credential, r.plan.Token}, b.events, func(a attempt) { r.record(b, a, version) })
	r.settle(b, verdicts, err)
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

// of is a batch's part of the ledger; r.mu is held.
func (r *Run) of(b batch) []entry { return r.ledger[b.first : b.first+len(b.events)] }

// record counts an attempt, and notes in the ledger what it leaves open.
func (r *Run) record(b batch, a attempt, version int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	r.tally.requests++
	if a.err != nil {
		r.tally.errors[reason(a.err)]++
		mark(r.of(b), func(e *entry) { e.unknown, e.maybe = true, true })
		return
	}
	r.tally.answer(a.status, version, now)
	switch {
	case a.status == http.StatusAccepted:
		r.tally.ack(now, a.took)
	case a.status >= http.StatusInternalServerError:
		mark(r.of(b), func(e *entry) { e.maybe = true })
	}
}

// settle writes the final answer into the ledger, if there was one: verdicts, or a refusal that nothing changes.
func (r *Run) settle(b batch, verdicts []client.Verdict, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	entries := r.of(b)
	if answer, ok := errors.AsType[*client.AnswerError](err); ok && answer.Status/100 == 4 && answer.Status != http.StatusTooManyRequests {
		mark(entries, func(e *entry) { e.state = refused })
		return
	}
	for i := range verdicts {
		switch verdicts[i].Status {
		case client.Accepted:
			entries[i].state = acked
		case client.Rejected:
			entries[i].state = rejected
		}
	}
}

func mark(entries []entry, as func(*entry)) {
	for i := range entries {
		as(&entries[i])
	}
}
