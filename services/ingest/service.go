package ingest

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/services/internal/fault"
	"github.com/theeye-dev/theeye/services/internal/keyring"
	"github.com/theeye-dev/theeye/services/internal/quota"
	"github.com/theeye-dev/theeye/services/internal/stream"
)

// Publisher appends an encoded request durably; *stream.Producer does.
type Publisher interface {
	Publish(ctx context.Context, payload []byte, traceparent string) error
	// Ailing tells that what was published last was not confirmed in time.
	Ailing() bool
}

// Service accepts events.
type Service struct {
	publisher Publisher
	sequencer *event.Sequencer
	safe      func() error // why nothing may be accepted now, or nil
	now       func() time.Time
	metrics   *Metrics
	admission *Admission
	budget    *Budget
	limiter   *quota.Limiter         // nil: nobody is limited
	workers   sync.Pool              // of *worker
	large     atomic.Pointer[worker] // one that has judged a large body
	payloads  buffers
}

// New returns a Service. safe answers a fault while the storage behind the publisher is not to be trusted.
func New(publisher Publisher, safe func() error, now func() time.Time, metrics *Metrics) *Service {
	s := &Service{
		publisher: publisher, sequencer: event.NewSequencer(now), safe: safe, now: now, metrics: metrics,
		admission: NewAdmission(DefaultRequestMemory), budget: NewBudget(now),
	}
	s.workers.New = func() any { return new(worker) }
	return s
}

// Admit has another Admission bound what requests hold than one of DefaultRequestMemory; to be called before any comes.
func (s *Service) Admit(a *Admission) { s.admission = a }

// Limit has a Limiter bound what applications send; to be called before any request comes.
func (s *Service) Limit(l *quota.Limiter) { s.limiter = l }

// Close is for a process that stops: what comes from now on is refused, and so is what has not come whole within
// leaving. All else is finished.
func (s *Service) Close() { s.admission.close() }

// open answers why nothing of a principal's is let in now, or nil: what can be known before its body is read.
func (s *Service) open(p keyring.Principal) error {
	if s.admission.closed.Load() {
		return errStopping
	}
	if p.Application.Policy.Suspended {
		return fault.New(fault.CodeSuspended, "the application is suspended (spec.suspended)")
	}
	return s.safe()
}

// Submission is one authenticated POST.
type Submission struct {
	keyring.Principal
	ArrivedAt      time.Time // when its headers had come: what sent_at is held against; zero: now
	Body           []byte    // valid until Accept returns
	form           form      // of Body
	Strict         bool      // Prefer: handling=strict
	IdempotencyKey string
	TraceParent    string   // of a sampled request
	TraceID        [16]byte // zero when the request had no trace

	header    http.Header      // of the request; a CloudEvent in binary mode has its attributes there
	buffer    *[]byte          // holds Body; the HTTP side's
	hold      *hold            // what the request holds of the memory for all
	allowance *quota.Allowance // what it may draw on; nil: nothing limits it
}

// bytes is what a receipt and its answer hold.
func (r *Receipt) bytes() int {
	const quoted = 6 // bytes that one of a text has in JSON at most
	total := verdictBytes * len(r.Verdicts)
	for _, v := range r.Verdicts {
		if v.Refusal != nil {
			total += (1 + quoted) * (len(v.Refusal.Detail) + len(v.Refusal.Pointer))
		}
	}
	return total
}

// owner is on whose account the submission is.
func (sub *Submission) owner() owner { return owner{sub.Application.UID, sub.Credential == ""} }

// Verdict is what becomes of one event.
type Verdict struct {
	ID      string         // "" when a refused event had none
	Refusal *event.Refusal // nil when it was accepted
}

// Receipt is the answer to a request that was understood: a verdict for every event, in order.
type Receipt struct {
	Accepted, Rejected int
	Withheld           int // of Rejected: valid, but refused with the request
	Counted            int // of Rejected: more than are recorded one by one
	Verdicts           []Verdict
	Strict             bool // Prefer: handling=strict was applied

	spent costs // of the budget for what is recorded
}

// Accept takes in a request that was let in. When it returns a Receipt, what was accepted and the record of what was refused are on
// Redis' disk. Errors are faults: Invalid when the body cannot be split into events, Unavailable when the application
// sends too much or Redis did not take it: then nothing or everything was appended (of a request that was refused whole,
// perhaps the record of its first events), and repeating with the same ids is safe.
func (s *Service) Accept(ctx context.Context, sub Submission) (*Receipt, error) {
	if err := s.safe(); err != nil { // it may not be any more: a body may take half a minute
		return nil, err
	}
	receipt, payload, ends, err := s.judged(ctx, &sub)
	if err != nil {
		sub.charge(err, len(sub.Body))
		return nil, err
	}
	// Refused events count, too: they cost what others cost, and each leaves a Failure.
	if err := sub.allowance.Take(ctx, len(receipt.Verdicts)); err != nil {
		if fault.KindOf(err) == fault.Unavailable { // else a full bucket is taken already
			sub.charge(err, len(sub.Body))
		}
		s.payloads.put(payload)
		s.budget.giveBack(sub.owner(), receipt.spent)
		return nil, err
	}
	done, err := sub.hold.way(ctx, len(*payload), s.publisher.Ailing)
	if err != nil {
		s.payloads.put(payload)
		s.giveBack(&sub, receipt)
		return nil, err
	}
	defer done()
	// Whether or not its client stays: the request holds what waits of it, until it waits no more.
	begin := 0
	for _, end := range ends {
		if err := s.publisher.Publish(context.WithoutCancel(ctx), (*payload)[begin:end:end], sub.TraceParent); err != nil {
			if begin == 0 && surelyNot(err) {
				s.giveBack(&sub, receipt)
			}
			return nil, unpublished(err) // the payload may still be read, and is not used again
		}
		begin = end
	}
	s.payloads.put(payload)
	s.metrics.count(ctx, receipt)
	return receipt, nil
}

// giveBack undoes what was taken for a request of which nothing is stored.
func (s *Service) giveBack(sub *Submission, receipt *Receipt) {
	sub.allowance.GiveBack(len(receipt.Verdicts))
	s.budget.giveBack(sub.owner(), receipt.spent)
}

// surelyNot tells whether an error of the publisher means that nothing was stored; else nobody knows.
func surelyNot(err error) bool {
	return errors.Is(err, stream.ErrOverloaded) || errors.Is(err, stream.ErrRefused) || errors.Is(err, stream.ErrStopped)
}

func unpublished(err error) error {
	switch {
	case errors.Is(err, stream.ErrOverloaded):
		return fault.Wrap(fault.CodeOverloaded, "too many requests wait for storage; nothing was stored", err)
	case errors.Is(err, stream.ErrRefused):
		return fault.Wrap(fault.CodeUnavailable, "storage takes no events now; nothing was stored", err)
	case errors.Is(err, stream.ErrStopped):
		return fault.Wrap(fault.CodeShuttingDown, "this replica is stopping; try again", err)
	}
	return fault.Wrap(fault.CodeUnavailable, "storage did not confirm in time; repeat with the same ids", err)
}
