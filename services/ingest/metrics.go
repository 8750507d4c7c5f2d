package ingest

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// Metrics counts verdicts.
type Metrics struct {
	events             metric.Int64Counter
	accepted, rejected []metric.AddOption // whole slices: made once, not for every request
	withheld           []metric.AddOption
	refused            metric.Int64Counter
	recorded, counted  []metric.AddOption
}

// NewMetrics registers theeye_events_total; every service adds its own outcomes to that name, so that what was
// accepted can be held against what became of it. Of accepted and rejected there is a record; withheld are valid events
// that a strict request took back with its invalid ones. theeye_refused_total tells of the rejected what is kept of them.
func NewMetrics(meter metric.Meter) (*Metrics, error) {
	events, err := meter.Int64Counter("theeye.events", metric.WithDescription("Events by outcome."))
	if err != nil {
		return nil, err
	}
	refused, err := meter.Int64Counter("theeye.refused", metric.WithDescription("Refused events by what is kept of them."))
	if err != nil {
		return nil, err
	}
	m := &Metrics{
		events: events, accepted: labelled("outcome", "accepted"), rejected: labelled("outcome", "rejected"), withheld: labelled("outcome", "withheld"),
		refused: refused, recorded: labelled("kept", "original"), counted: labelled("kept", "count"),
	}
	for _, o := range [...][]metric.AddOption{m.accepted, m.rejected, m.withheld} {
		m.events.Add(context.Background(), 0, o...) // from the start: a series that appears with its first event shows no rise
	}
	for _, o := range [...][]metric.AddOption{m.recorded, m.counted} {
		m.refused.Add(context.Background(), 0, o...)
	}
	return m, nil
}

func labelled(label, value string) []metric.AddOption {
	return []metric.AddOption{metric.WithAttributeSet(attribute.NewSet(attribute.String(label, value)))}
}

func (m *Metrics) count(ctx context.Context, r *Receipt) {
	if r.Accepted > 0 {
		m.events.Add(ctx, int64(r.Accepted), m.accepted...)
	}
	if rejected := r.Rejected - r.Withheld; rejected > 0 {
		m.events.Add(ctx, int64(rejected), m.rejected...)
		m.refused.Add(ctx, int64(rejected-r.Counted), m.recorded...)
		m.refused.Add(ctx, int64(r.Counted), m.counted...)
	}
	if r.Withheld > 0 {
		m.events.Add(ctx, int64(r.Withheld), m.withheld...)
	}
}
