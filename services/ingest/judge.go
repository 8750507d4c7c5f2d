package ingest

import (
	"cmp"
	"errors"
	"strconv"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/api/event/jsonb"
	"github.com/theeye-dev/theeye/services/internal/check"
	"github.com/theeye-dev/theeye/services/internal/fault"
)

// worker is the memory that judging one request needs, kept for the next.
type worker struct {
	splitter event.Splitter
	scanner  jsonb.Scanner
	request  event.Request
	events   []readEvent         // what was read of the request's items
	seen     map[string]sighting // the first event of every id in this request
	counted  []event.Item        // what is only counted of the request
	scratch  []byte
	checks   check.Judge
	body     []byte // of a CloudEvent in binary mode, in its JSON format
}

// readEvent is an event as far as it could be read.
type readEvent struct {
	event.Event
	readable bool // false: a fault in its JSON kept even its id from being read
	line     int  // its line in the body, from 1; 0 where lines mean nothing
}

// judge splits a request and fills w.request with a verdict on every event.
func (w *worker) judge(sub Submission, sequencer *event.Sequencer, budget *Budget) (*Receipt, error) {
	items := w.request.Items[:0]
	w.events = w.events[:0]
	if sub.form.binary {
		sub.Body = w.structured(&sub)
	}
	err := w.split(&sub, func(line int, raw []byte, doc *jsonb.Doc, refusal *event.Refusal) {
		e := readEvent{line: line}
		if refusal == nil {
			e.readable = true
			e.Event, refusal = check.Decode(doc, sub.form.format, sub.Credential == "")
		}
		items, w.events = append(items, event.Item{Original: raw, Format: sub.form.format, Refusal: refusal}), append(w.events, e)
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
	receipt := &Receipt{Verdicts: make([]Verdict, len(items))}
	for i := range items {
		item, e := &items[i], &w.events[i]
		if e.readable && e.ID == "" {
			item.ID = serverID(sub, sequence, i)
		}
		if item.Refusal == nil {
			item.OccurredAt, item.Refusal = w.checks.Event(&e.Event, cmp.Or(sub.ArrivedAt, receivedAt), receivedAt)
		}
		if item.Refusal == nil && e.ID != "" && len(items) > 1 {
			item.Refusal = w.conflict(e.ID, i)
		}
		if item.Refusal != nil && e.line > 0 {
			item.Refusal = inLine(item.Refusal, e.line)
		}
		receipt.Verdicts[i] = Verdict{ID: e.ID + item.ID, Refusal: item.Refusal}
	}
	unmoved := w.settle(receipt, sub.Strict, func(item *event.Item) bool {
		cost := budget.take(sub.owner(), item)
		if cost == 0 {
			return false
		}
		if receipt.spent == nil {
			receipt.spent = costs{}
		}
		receipt.spent[item.Refusal.Code] += cost
		return true
	})
	if sub.IdempotencyKey == "" {
		w.shorten(unmoved)
	}
	w.close(receipt, sequencer)
	return receipt, nil
}

// split calls read for every event of a body, with its line where lines are events.
func (w *worker) split(sub *Submission, read func(int, []byte, *jsonb.Doc, *event.Refusal)) error {
	w.splitter.Rewritten, w.splitter.Rest = sub.form.binary, restOf(len(sub.Body))
	maxEventBytes := sub.Application.Policy.MaxEventBytes()
	if sub.form.binary && len(sub.Body) > maxEventBytes { // it is one event, whatever it holds
		w.splitter.One(sub.Body, maxEventBytes, func(doc *jsonb.Doc, refusal *event.Refusal) { read(0, sub.Body, doc, refusal) })
		return nil
	}
	if sub.form.lines {
		return w.splitter.Lines(sub.Body, maxEventBytes, read)
	}
	_, err := w.splitter.Split(sub.Body, maxEventBytes, func(raw []byte, doc *jsonb.Doc, refusal *event.Refusal) {
		read(0, raw, doc, refusal)
	})
	return err
}

// inLine tells where a refused event stands: with blank lines its number among the verdicts does not.
func inLine(r *event.Refusal, line int) *event.Refusal {
	numbered := *r
	numbered.Detail = "line " + strconv.Itoa(line) + ": " + r.Detail
	return &numbered
}

func unsplit(err error) error {
	var syntax *jsonb.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return &fault.Error{Code: fault.CodeMalformed, Detail: syntax.Error(), Pointer: &syntax.Pointer}
	case errors.Is(err, event.ErrTooManyEvents):
		return fault.New(fault.CodeTooManyEvents, err.Error())
	}
	return fault.New(fault.CodeNoEvents, err.Error())
}
