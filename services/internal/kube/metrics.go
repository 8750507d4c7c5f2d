package kube

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// Metrics counts what the API server is asked.
type Metrics struct {
	reviews                         metric.Int64Counter
	isAllowed, isRefused, isUnknown metric.MeasurementOption
}

// NewMetrics registers theeye.kubernetes.reviews: token reviews, by outcome (allowed, refused, failed because the API
// server did not answer). What was decided lately is not asked again, and not counted.
func NewMetrics(meter metric.Meter) (*Metrics, error) {
	outcome := func(value string) metric.MeasurementOption {
		return metric.WithAttributeSet(attribute.NewSet(attribute.String("outcome", value)))
	}
	m := &Metrics{isAllowed: outcome("allowed"), isRefused: outcome("refused"), isUnknown: outcome("failed")}
	var err error
	m.reviews, err = meter.Int64Counter("theeye.kubernetes.reviews", metric.WithUnit("{review}"),
		metric.WithDescription("Tokens that the Kubernetes API server was asked about."))
	if err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	for _, o := range []metric.MeasurementOption{m.isAllowed, m.isRefused, m.isUnknown} {
		m.reviews.Add(context.Background(), 0, o) // from the start: a series that appears with its first event shows no rise
	}
	return m, nil
}

func (m *Metrics) allowed(ctx context.Context) { m.reviews.Add(ctx, 1, m.isAllowed) }
func (m *Metrics) refused(ctx context.Context) { m.reviews.Add(ctx, 1, m.isRefused) }
func (m *Metrics) failed(ctx context.Context)  { m.reviews.Add(ctx, 1, m.isUnknown) }
