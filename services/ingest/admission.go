package ingest

import (
	"context"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/services/internal/fault"
)

const (
	// DefaultRequestMemory is what requests in hand may hold together. Beside it 2,000 connections take 40 MiB, the
	// judging of small requests 20, their small checks against schemas 6, what reads large ones 10, and the program 25
	// MiB: the sum leaves the collector room below 208 MiB.
	DefaultRequestMemory = 96 << 20
	// MinRequestMemory lets one request of any allowed size through: it may take half, and the largest takes 26 MiB.
	MinRequestMemory = 64 << 20
	// requestBytes is what any request costs beside its body: its goroutine's stack, its header, its answer's buffer.
	requestBytes = 16 << 10
	// verdictBytes is what a verdict and its place in the answer cost.
	verdictBytes = 192
	// lightBytes is what a body may have to be judged at once: some 0.3 ms of work. Larger ones take turns.
	lightBytes = 64 << 10
	// lightAtOnce and heavyAtOnce bound the requests that are judged at the same moment, on machines with more
	// processors than that, too: judging 64 KiB takes some MiB that are not counted. Of a check against a schema that is
	// at most schema.FreeMemory; one that needs more has all of it counted.
	lightAtOnce, heavyAtOnce = 16, 8
	// bulkBytes is how much may be on its way to Redis beside whatever else is. Of more there is one request at a time, in
	// turn by owner: an entry of 4 MiB keeps Redis busy for as long as hundreds of small ones.
	bulkBytes = 256 << 10
	// turnPatience is how long one request may wait for all its turns together: as long as storage tries one entry. With
	// the producer's two budgets that are 15 s, for which clients still wait.
	turnPatience = 5 * time.Second
)

// owner is on whose account a request is admitted: an application, or what web pages post for it without a secret.
type owner struct {
	application uuid.UUID
	public      bool
}

// Admission bounds what all requests in hand may hold and how many are worked on at the same moment, so that no flood
// takes the process' memory, and none takes more than a share of what others need.
type Admission struct {
	light, heavy, bulk *turns
	patience           time.Duration // turnPatience

	mu   sync.Mutex
	free int64
	held map[owner]int64

	closed  atomic.Bool        // the process stops
	until   time.Time          // by when bodies must be here then
	reading map[*hold]struct{} // whose body is not here yet
}

// NewAdmission shares memory out, in bytes.
func NewAdmission(memory int64) *Admission {
	processors := runtime.GOMAXPROCS(0)
	return &Admission{
		light: newTurns(min(2*processors, lightAtOnce)),
		heavy: newTurns(min(max(processors-1, 1), heavyAtOnce)), // a processor is left for small requests
		bulk:  newTurns(1), patience: turnPatience,
		free: memory, held: map[owner]int64{}, reading: map[*hold]struct{}{},
	}
}

var errOverloaded = fault.New(fault.CodeOverloaded, "more requests are in hand than there is memory for; nothing was stored")

// take grants memory unless its owner would then hold more than is left for all others: one that takes all it can gets
// half, and n of them come to leave 1/(n+1). (Dynamic thresholds: Choudhury and Hahne, IEEE/ACM Transactions on
// Networking 6(2), 1998.) Nobody waits: what others hold may take long to come back.
func (a *Admission) take(o owner, n int64) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.held[o]+n > a.free-n {
		return errOverloaded
	}
	a.free -= n
	a.held[o] += n
	return nil
}

func (a *Admission) give(o owner, n int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.free += n
	if a.held[o] -= n; a.held[o] == 0 {
		delete(a.held, o)
	}
}

// hold is what one request holds. It belongs to the request's goroutine; a nil hold, in tests and benchmarks of single
// parts, takes what it likes.
type hold struct {
	admission *Admission
	control   *http.ResponseController // of its connection
	header    http.Header              // of its answer
	owner     owner
	bytes     int64
	has       *turns        // in which it has a turn; nil: it has none
	waited    time.Duration // for turns
	read      int           // bytes of its body, and of what that became
	hurried   bool          // its body has less time than the server gives it
}

// begin names the request's owner, and takes what every request costs.
func (h *hold) begin(o owner) error {
	if h == nil {
		return nil
	}
	h.owner = o
	return h.take(requestBytes)
}

func (h *hold) take(n int) error {
	if h == nil || n == 0 {
		return nil
	}
	if err := h.admission.take(h.owner, int64(n)); err != nil {
		return err
	}
	h.bytes += int64(n)
	return nil
}

func (h *hold) give(n int) {
	if h == nil || n == 0 {
		return
	}
	h.admission.give(h.owner, int64(n))
	h.bytes -= int64(n)
}

// reserve takes what one piece of work needs; giveBack ends it.
func (h *hold) reserve(n int) (giveBack func(), err error) {
	if err := h.take(n); err != nil {
		return nil, err
	}
	return func() { h.give(n) }, nil
}

// turn waits until work on n bytes may be done; done ends it.
func (h *hold) turn(ctx context.Context, n int) (done func(), err error) {
	if h == nil {
		return func() {}, nil
	}
	t := h.admission.light
	if n > lightBytes {
		t = h.admission.heavy
	}
	if _, err = h.wait(ctx, t); err != nil {
		return nil, err
	}
	h.has = t
	return h.end, nil
}

// heavier waits for a turn for much work, in place of the one for little.
func (h *hold) heavier(ctx context.Context) error {
	if h == nil || h.has == h.admission.heavy {
		return nil
	}
	h.end()
	if _, err := h.wait(ctx, h.admission.heavy); err != nil {
		return err
	}
	h.has = h.admission.heavy
	return nil
}

// end ends the turn that the request has, if any.
func (h *hold) end() {
	if h.has != nil {
		h.has.done()
		h.has = nil
	}
}

// way waits until n bytes may be sent to Redis; done ends it. While Redis confirms nothing, one tries whether it does
// again, and nobody waits behind that one: each would try for as long, one after the other.
func (h *hold) way(ctx context.Context, n int, ailing func() bool) (done func(), err error) {
	if h == nil || n <= bulkBytes {
		return func() {}, nil
	}
	bulk := h.admission.bulk
	if bulk.free() {
		return bulk.done, nil
	}
	if ailing() {
		return nil, errAiling
	}
	if done, err = h.wait(ctx, bulk); err == nil && ailing() {
		done()
		return nil, errAiling
	}
	return done, err
}

var (
	errAiling = fault.New(fault.CodeUnavailable, "storage has confirmed nothing of late; nothing was stored")
	errTurn   = &fault.Error{
		Code: fault.CodeOverloaded, Detail: "too many large requests wait for their turn; nothing was stored", RetryAfter: turnPatience,
	}
)

// wait takes a turn, and gives up when the request has waited too long for its turns.
func (h *hold) wait(ctx context.Context, t *turns) (done func(), err error) {
	if t.free() {
		return t.done, nil
	}
	began := time.Now()
	waiting, cancel := context.WithTimeout(ctx, h.admission.patience-h.waited)
	defer cancel()
	mine := t.take(waiting, h.owner)
	h.waited += time.Since(began)
	switch {
	case mine:
		return t.done, nil
	case ctx.Err() != nil:
		return nil, fault.Wrap(fault.CodeUnavailable, "the request was given up; nothing was stored", ctx.Err())
	}
	return nil, errTurn
}

// admit gives every request a hold, and takes all back that it holds when its answer is written.
func (a *Admission) admit(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := &hold{admission: a, control: http.NewResponseController(w), header: w.Header()}
		defer func() { h.give(int(h.bytes)) }()
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), holdKey{}, h)))
	})
}

type holdKey struct{}

func holdOf(ctx context.Context) *hold {
	h, _ := ctx.Value(holdKey{}).(*hold)
	return h
}
