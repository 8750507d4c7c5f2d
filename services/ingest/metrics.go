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
}

// NewMetrics registers theeye_events_total; every service adds its own outcomes to that name, so that what was
// accepted can be held against what became of it. Of accepted and rejected there is a record; withheld are valid events
// that a strict request took back with its invalid ones.
func NewMetrics(meter metric.Meter) (*Metrics, error) {
	events, err := meter.Int64Counter("theeye.events", metric.WithDescription("Events by outcome."))
	outcome := func(name string) []metric.AddOption {
		return []metric.AddOption{metric.WithAttributeSet(attribute.NewSet(attribute.String("outcome", name)))}
	}
	if err != nil {
		return nil, err
	}
	m := &Metrics{events: events, accepted: outcome("accepted"), rejected: outcome("rejected"), withheld: outcome("withheld")}
	for _, o := range [...][]metric.AddOption{m.accepted, m.rejected, m.withheld} {
		m.events.Add(context.Background(), 0, o...) // from the start: a series that appears with its first event shows no rise
	}
	return m, nil
}

func (m *Metrics) count(ctx context.Context, r *Receipt) {
	if r.Accepted > 0 {
		m.events.Add(ctx, int64(r.Accepted), m.accepted...)
	}
	if rejected := r.Rejected - r.Withheld; rejected > 0 {
		m.events.Add(ctx, int64(rejected), m.rejected...)
	}
	if r.Withheld > 0 {
		m.events.Add(ctx, int64(r.Withheld), m.withheld...)
	}
}
