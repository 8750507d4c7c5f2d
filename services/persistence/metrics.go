package persistence

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// Metrics counts outcomes.
type Metrics struct{ events metric.Int64Counter }

// NewMetrics registers theeye_events_total with the outcomes of this service.
func NewMetrics(meter metric.Meter) (*Metrics, error) {
	events, err := meter.Int64Counter("theeye.events", metric.WithDescription("Events by outcome."))
	if err != nil {
		return nil, err
	}
	m := &Metrics{events}
	m.count(context.Background(), Outcomes{ // from the start: a series that appears with its first event shows no rise
		Stored: 0, Duplicate: 0, Conflict: 0, Failed: 0, Refused: 0, Redelivered: 0, Erased: 0, ErasedRefusal: 0,
	})
	return m, nil
}

func (m *Metrics) count(ctx context.Context, outcomes Outcomes) {
	for outcome, n := range outcomes {
		m.events.Add(ctx, n, metric.WithAttributes(attribute.String("outcome", string(outcome))))
	}
}
