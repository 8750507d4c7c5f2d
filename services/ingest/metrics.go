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
}

// NewMetrics registers theeye_events_total; every service adds its own outcomes to that name, so that what was
// accepted can be held against what became of it.
func NewMetrics(meter metric.Meter) (*Metrics, error) {
	events, err := meter.Int64Counter("theeye.events", metric.WithDescription("Events by outcome."))
	outcome := func(name string) []metric.AddOption {
		return []metric.AddOption{metric.WithAttributeSet(attribute.NewSet(attribute.String("outcome", name)))}
	}
	if err != nil {
		return nil, err
	}
	m := &Metrics{events: events, accepted: outcome("accepted"), rejected: outcome("rejected")}
	m.events.Add(context.Background(), 0, m.accepted...) // from the start: a series that appears with its first event
	m.events.Add(context.Background(), 0, m.rejected...) // shows no rise
	return m, nil
}

func (m *Metrics) count(ctx context.Context, r *Receipt) {
	if r.Accepted > 0 {
		m.events.Add(ctx, int64(r.Accepted), m.accepted...)
	}
	if r.Rejected > 0 {
		m.events.Add(ctx, int64(r.Rejected), m.rejected...)
	}
}
