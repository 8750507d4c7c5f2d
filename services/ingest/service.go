package ingest

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/api/event/jsonb"
	"github.com/theeye-dev/theeye/services/internal/check"
	"github.com/theeye-dev/theeye/services/internal/fault"
	"github.com/theeye-dev/theeye/services/internal/keyring"
	"github.com/theeye-dev/theeye/services/internal/stream"
)

// maxOriginal is how many bytes are kept of an event that was refused for its size: enough to see what it was. Others
// are within the application's limit and are kept whole, so that they can be replayed.
const maxOriginal = 64 << 10

// Publisher appends an encoded request durably; *stream.Producer does.
type Publisher interface {
	Publish(ctx context.Context, payload []byte, traceparent string) error
}

// Service accepts events.
type Service struct {
	publisher Publisher
	sequencer *event.Sequencer
	safe      func() error // why nothing may be accepted now, or nil
	metrics   *Metrics
	workers   sync.Pool
}

// New returns a Service. safe answers a fault while the storage behind the publisher is not to be trusted.
func New(publisher Publisher, safe func() error, now func() time.Time, metrics *Metrics) *Service {
	s := &Service{publisher: publisher, sequencer: event.NewSequencer(now), safe: safe, metrics: metrics}
	s.workers.New = func() any { return new(worker) }
	return s
}

// Submission is one authenticated POST.
type Submission struct {
	keyring.Principal
	Body           []byte // valid until Accept returns
	Lines          bool   // every line of Body is an event: NDJSON
	Strict         bool   // Prefer: handling=strict
	IdempotencyKey string
	TraceParent    string   // of a sampled request
	TraceID        [16]byte // zero when the request had no trace

	buffer *bytes.Buffer // holds Body; the HTTP side's
}

// Verdict is what becomes of one event.
type Verdict struct {
	ID      string         // "" when a refused event had none
	Refusal *event.Refusal // nil when it was accepted
}

// Receipt is the answer to a request that was understood: a verdict for every event, in order.
type Receipt struct {
	Accepted, Rejected int
	Withheld           int // of Rejected: valid, but refused with the request
	Verdicts           []Verdict
	Strict             bool // Prefer: handling=strict was applied
}

// Accept takes a request in. When it returns a Receipt, what was accepted and the record of what was refused are on
// Redis' disk. Errors are faults: Invalid when the body cannot be split into events, Denied when the application is
// suspended, Unavailable when Redis did not take it: then nothing or everything was appended, and repeating with the
// same ids is safe.
func (s *Service) Accept(ctx context.Context, sub Submission) (*Receipt, error) {
	if sub.Application.Policy.Suspended {
		return nil, fault.New(fault.CodeSuspended, "the application is suspended (spec.suspended)")
	}
	if err := s.safe(); err != nil {
		return nil, err
	}
	w := s.workers.Get().(*worker)
	receipt, err := w.judge(sub, s.sequencer)
	if err != nil {
		s.workers.Put(w)
		return nil, err
	}
	w.payload = event.AppendRequest(w.payload[:0], &w.request)
	if err := s.publisher.Publish(ctx, w.payload, sub.TraceParent); err != nil {
		return nil, unpublished(err) // the payload may still be read: this worker is not used again
	}
	s.workers.Put(w)
	s.metrics.count(ctx, receipt)
	return receipt, nil
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

// worker is the memory that judging one request needs, kept for the next.
type worker struct {
	splitter event.Splitter
	scanner  jsonb.Scanner
	request  event.Request
	events   []readEvent // what was read of the request's items
	payload  []byte
	seen     map[string]int // index of the first event of every id in this request
	scratch  []byte
	checks   check.Judge
}

// readEvent is an event as far as it could be read.
type readEvent struct {
	event.Event
	readable bool // false: a fault in its JSON kept even its id from being read
	line     int  // its line in the body, from 1; 0 where lines mean nothing
}

// judge splits a request and fills w.request with a verdict on every event.
func (w *worker) judge(sub Submission, sequencer *event.Sequencer) (*Receipt, error) {
	items := w.request.Items[:0]
	w.events = w.events[:0]
	err := w.split(&sub, func(line int, raw []byte, doc *jsonb.Doc, refusal *event.Refusal) {
		e := readEvent{line: line}
		if refusal == nil {
			e.readable = true
			e.Event, refusal = event.Decode(doc, true)
		}
		items, w.events = append(items, event.Item{Original: raw, Refusal: refusal}), append(w.events, e)
	})
	w.request.Items = items
	if err != nil {
		return nil, unsplit(err)
	}
	sequence, receivedAt := sequencer.Next(len(items))
	w.request = event.Request{
		Application: sub.Application.UID, Credential: sub.Credential,
		ReceivedAt: receivedAt, Sequence: sequence, TraceID: sub.TraceID, Items: items,
	}
	clear(w.seen)
	w.checks.Begin(sub.Rules)
	receipt := &Receipt{Verdicts: make([]Verdict, len(items))}
	for i := range items {
		item, e := &items[i], &w.events[i]
		if e.readable && e.ID == "" {
			item.ID = serverID(sub, sequence, i)
		}
		if item.Refusal == nil {
			item.OccurredAt, item.Refusal = w.checks.Event(&e.Event, receivedAt)
		}
		if item.Refusal == nil && e.ID != "" && len(items) > 1 {
			item.Refusal = w.conflict(e.ID, i)
		}
		if item.Refusal != nil && e.line > 0 {
			item.Refusal = inLine(item.Refusal, e.line)
		}
		receipt.Verdicts[i] = Verdict{ID: e.ID + item.ID, Refusal: item.Refusal}
	}
	w.settle(receipt, sub.Strict)
	if sub.IdempotencyKey == "" {
		w.shorten()
	}
	return receipt, nil
}

// split calls read for every event of a body, with its line where lines are events.
func (w *worker) split(sub *Submission, read func(int, []byte, *jsonb.Doc, *event.Refusal)) error {
	maxEventBytes := sub.Application.Policy.MaxEventBytes()
	if sub.Lines {
		return w.splitter.Lines(sub.Body, maxEventBytes, read)
	}
	_, err := w.splitter.Split(sub.Body, maxEventBytes, func(raw []byte, doc *jsonb.Doc, refusal *event.Refusal) {
		read(0, raw, doc, refusal)
	})
	return err
}

// inLine tells where a refused event stands: with blank lines its number among the verdicts does not.
func inLine(r *event.Refusal, line int) *event.Refusal {
	return &event.Refusal{Code: r.Code, Detail: "line " + strconv.Itoa(line) + ": " + r.Detail, Pointer: r.Pointer}
}

// shorten drops ids that are sequences from accepted items: nothing before those was dropped, so that their place in
// the request tells the sequence.
func (w *worker) shorten() {
	for i := range w.request.Items {
		if w.request.Items[i].Refusal == nil {
			w.request.Items[i].ID = ""
		}
	}
}

// settle counts the verdicts, applies strict handling, and trims what is recorded of refused events.
func (w *worker) settle(receipt *Receipt, strict bool) {
	for _, v := range receipt.Verdicts {
		if v.Refusal != nil {
			receipt.Rejected++
		}
	}
	receipt.Strict = strict
	if strict && receipt.Rejected > 0 {
		receipt.Rejected = len(receipt.Verdicts)
	}
	receipt.Accepted = len(receipt.Verdicts) - receipt.Rejected
	kept := w.request.Items[:0]
	for i := range receipt.Verdicts {
		item := w.request.Items[i]
		if item.Refusal == nil && receipt.Accepted == 0 {
			receipt.Verdicts[i].Refusal = &event.Refusal{
				Code:   event.CodeStrict,
				Detail: "valid, but the request asks to be refused whole (Prefer: handling=strict)",
			}
			receipt.Withheld++
			continue // nothing is wrong with it, and nothing is stored of it
		}
		if item.Refusal != nil {
			item.OccurredAt = time.Time{}
			if item.Refusal.Code == event.CodeTooLarge && len(item.Original) > maxOriginal {
				item.Original, item.Truncated = beginning(item.Original), true
			}
		}
		kept = append(kept, item)
	}
	w.request.Items = kept
}

// beginning cuts an original to maxOriginal, and where it is text between two characters, so that it stays text.
func beginning(original []byte) []byte {
	end := maxOriginal
	for cut := end; cut > end-utf8.UTFMax; cut-- {
		if utf8.RuneStart(original[cut]) {
			return original[:cut]
		}
	}
	return original[:end]
}

// conflict refuses an id that this request has used with other content. The same content is one event sent twice:
// accepted again, and settled by the store.
func (w *worker) conflict(id string, i int) *event.Refusal {
	if w.seen == nil {
		w.seen = map[string]int{}
	}
	first, ok := w.seen[id]
	if !ok {
		w.seen[id] = i
		return nil
	}
	if w.fingerprint(first) == w.fingerprint(i) {
		return nil
	}
	return &event.Refusal{
		Code:    event.CodeConflict,
		Detail:  "event " + strconv.Itoa(first) + " of this request has the same id and other content",
		Pointer: "/id",
	}
}

// fingerprint scans an event of this request once more: ids rarely repeat within one.
func (w *worker) fingerprint(i int) (f event.Fingerprint) {
	w.scanner.Reset(w.request.Items[i].Original)
	doc, _, _, _ := w.scanner.Scan() // it was scanned without a fault before
	e, _ := event.Decode(doc, true)
	f, w.scratch = e.Fingerprint(w.scratch)
	return f
}

// serverID is the id of an event that came without one: stable under the request's Idempotency-Key when it has one
// (a UUIDv5 of the key and the index, in the application's namespace), else the event's sequence, a UUIDv7.
func serverID(sub Submission, first event.Sequence, i int) string {
	if sub.IdempotencyKey == "" {
		return event.Nth(first, i).String()
	}
	return uuid.NewSHA1(sub.Application.UID, []byte(sub.IdempotencyKey+"\x00"+strconv.Itoa(i))).String()
}

func unsplit(err error) error {
	var syntax *jsonb.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return fault.New(fault.CodeMalformed, syntax.Error())
	case errors.Is(err, event.ErrTooManyEvents):
		return fault.New(fault.CodeTooManyEvents, err.Error())
	}
	return fault.New(fault.CodeNoEvents, err.Error())
}
