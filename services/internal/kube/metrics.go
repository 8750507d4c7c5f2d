package kube

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// Metrics counts what the API server is asked.
type Metrics struct {
	tokens, access outcomes
}

// outcomes counts the questions of one kind.
type outcomes struct {
	reviews                         metric.Int64Counter
	isAllowed, isRefused, isUnknown metric.MeasurementOption
}

// NewMetrics registers theeye.kubernetes.reviews: by what is asked (token: whose it is; access: whether somebody may)
// and by outcome (allowed, refused, failed because the API server did not answer). What was decided lately is not asked
// again, and not counted.
func NewMetrics(meter metric.Meter) (*Metrics, error) {
	reviews, err := meter.Int64Counter("theeye.kubernetes.reviews", metric.WithUnit("{review}"),
		metric.WithDescription("Questions about tokens and permissions that the Kubernetes API server was asked."))
	if err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	return &Metrics{tokens: outcomesOf(reviews, "token"), access: outcomesOf(reviews, "access")}, nil
}

func outcomesOf(reviews metric.Int64Counter, asked string) outcomes {
	outcome := func(value string) metric.MeasurementOption {
		return metric.WithAttributeSet(attribute.NewSet(attribute.String("asked", asked), attribute.String("outcome", value)))
	}
	o := outcomes{reviews, outcome("allowed"), outcome("refused"), outcome("failed")}
	for _, each := range []metric.MeasurementOption{o.isAllowed, o.isRefused, o.isUnknown} {
		reviews.Add(context.Background(), 0, each) // from the start: a series that appears with its first event shows no rise
	}
	return o
}

func (o outcomes) allowed(ctx context.Context) { o.reviews.Add(ctx, 1, o.isAllowed) }
func (o outcomes) refused(ctx context.Context) { o.reviews.Add(ctx, 1, o.isRefused) }
func (o outcomes) failed(ctx context.Context)  { o.reviews.Add(ctx, 1, o.isUnknown) }
