package persistence

import (
	"context"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/api/event/jsonb"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/check"
	"github.com/theeye-dev/theeye/services/internal/fault"
)

// candidate is an open Failure on its way through the door.
type candidate struct {
	record
	eventID string // as the Failure has it; "" when unknown
	whole   bool   // the original is all of it

	was                          Outcome // as which it is counted, and under which type
	countedCategory, countedName string
}

// judge holds candidates against the rules that ingest applies today. An error says that those are not known now.
func (r *Replayer) judge(ctx context.Context, found []*candidate) error {
	if err := r.rules.Ready(); err != nil {
		return err
	}
	d := &door{rules: r.rules}
	for _, c := range found {
		if err := ctx.Err(); err != nil {
			return err
		}
		if refusal := d.judge(c); refusal != nil {
			c.refusal, c.stage = refusal, StageIngest
		}
		if err := d.checks.Err(); err != nil {
			return err
		}
	}
	return nil
}

// door judges one Failure after another, each as the request of its own that it may have been. What ingest asks of a
// request and not of an event is no matter any more: its credential was good when it came, and its rate was counted.
type door struct {
	rules    rulebook
	splitter event.Splitter
	checks   check.Judge
	reader   reader
}

// judge returns why an event would not be let in now. What passes is read as what comes from a stream.
func (d *door) judge(c *candidate) *event.Refusal {
	if !c.whole {
		return &event.Refusal{Code: event.CodeNoOriginal, Detail: "the failure has no whole original; send the event again"}
	}
	application, rules := d.rules.Rules(c.application)
	if refusal := shut(application, c.credential == ""); refusal != nil {
		return refusal
	}
	var e event.Event
	var refusal *event.Refusal
	d.splitter.One(c.original, application.Policy.MaxEventBytes(), func(doc *jsonb.Doc, unfit *event.Refusal) {
		if refusal = unfit; refusal == nil {
			e, refusal = check.Decode(doc, c.format, c.credential == "")
		}
	})
	if refusal != nil {
		return refusal
	}
	d.checks.Begin(rules, nil, nil) // one at a time holds little enough to be counted by nobody
	defer d.checks.End()
	occurred, refusal := d.checks.Event(&e, c.receivedAt, c.receivedAt)
	if refusal != nil {
		return refusal
	}
	c.occurredAt, c.id = occurred, c.eventID
	d.reader.event(&c.record)
	return nil
}

// shut tells why an application's events are not let in at all; public says that one came with the client id alone.
func shut(application *registry.Application, public bool) *event.Refusal {
	switch {
	case application == nil || application.UID == uuid.Nil:
		return &event.Refusal{Code: event.CodeNoApplication, Detail: "whose event this is cannot be told, or that application is gone: there are no rules to judge it by"}
	case application.Policy.Suspended:
		return &event.Refusal{Code: event.Code(fault.CodeSuspended), Detail: "the application is suspended (spec.suspended)"}
	case public && len(application.Policy.Origins) == 0:
		return &event.Refusal{Code: event.Code(fault.CodeOrigin), Detail: "a web page sent it, and the application lists no origin any more (spec.origins)"}
	}
	return nil
}
