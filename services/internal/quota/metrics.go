package quota

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// Metrics counts settlements and refusals.
type Metrics struct {
	settlements, refusals metric.Int64Counter
	ok, bad               []metric.AddOption
	application, public   []metric.AddOption
}

// NewMetrics registers theeye_limits_settlements_total: how many meters were settled with Redis, and of how many that
// failed, in which case replicas limit on their own; and theeye_limits_refusals_total: requests that were answered 429,
// by the bucket that was empty.
func NewMetrics(meter metric.Meter) (*Metrics, error) {
	settlements, err := meter.Int64Counter("theeye.limits.settlements",
		metric.WithDescription("Settlements of applications' limits with Redis, by outcome."))
	if err != nil {
		return nil, err
	}
	refusals, err := meter.Int64Counter("theeye.limits.refusals",
		metric.WithDescription("Requests refused because an application sends too many events, by what it may not exceed."))
	if err != nil {
		return nil, err
	}
	m := &Metrics{
		settlements: settlements, refusals: refusals,
		ok: label("outcome", "settled"), bad: label("outcome", "failed"),
		application: label("bucket", name(id{})), public: label("bucket", name(id{public: true})),
	}
	for _, o := range [...][]metric.AddOption{m.ok, m.bad} { // from the start: a series that appears with its first failure shows no rise
		m.settlements.Add(context.Background(), 0, o...)
	}
	for _, o := range [...][]metric.AddOption{m.application, m.public} {
		m.refusals.Add(context.Background(), 0, o...)
	}
	return m, nil
}

func label(key, value string) []metric.AddOption {
	return []metric.AddOption{metric.WithAttributeSet(attribute.NewSet(attribute.String(key, value)))}
}

func (m *Metrics) settled(ctx context.Context, all, failed int) {
	m.settlements.Add(ctx, int64(all-failed), m.ok...)
	m.settlements.Add(ctx, int64(failed), m.bad...)
}

func (m *Metrics) refused(ctx context.Context, public bool) {
	if public {
		m.refusals.Add(ctx, 1, m.public...)
		return
	}
	m.refusals.Add(ctx, 1, m.application...)
}
