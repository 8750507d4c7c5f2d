package stream

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// buckets in seconds, from one fast fsync to an outage.
var buckets = metric.WithExplicitBucketBoundaries(.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5)

// ProducerMetrics counts what a Producer appends.
type ProducerMetrics struct {
	duration metric.Float64Histogram
	requests metric.Int64Counter
	ok, bad  metric.MeasurementOption
}

// NewProducerMetrics registers messaging.client.operation.duration (s, one per XADD) and
// messaging.client.sent.messages (requests).
func NewProducerMetrics(meter metric.Meter) (*ProducerMetrics, error) {
	duration, err := meter.Float64Histogram("messaging.client.operation.duration", metric.WithUnit("s"), buckets,
		metric.WithDescription("Duration of one XADD."))
	requests, err2 := meter.Int64Counter("messaging.client.sent.messages",
		metric.WithDescription("Requests appended to the streams, by outcome; an entry carries one or more."))
	return &ProducerMetrics{
		duration: duration, requests: requests,
		ok:  metric.WithAttributeSet(attribute.NewSet(attribute.String("outcome", "ok"))),
		bad: metric.WithAttributeSet(attribute.NewSet(attribute.String("outcome", "error"))),
	}, errors.Join(err, err2)
}

func (m *ProducerMetrics) appended(ctx context.Context, requests int, took time.Duration, err error) {
	outcome := m.ok
	if err != nil {
		outcome = m.bad
	}
	m.duration.Record(ctx, took.Seconds(), outcome)
	m.requests.Add(ctx, int64(requests), outcome)
}

// ConsumerMetrics counts what a Consumer does.
type ConsumerMetrics struct {
	duration  metric.Float64Histogram
	entries   metric.Int64Counter
	redeliver metric.Int64Counter
	claimed   metric.Int64Counter
	lost      metric.Int64Counter
}

// NewConsumerMetrics registers the metrics of consuming. theeye_entries_lost_total is the one to page on: entries that
// were deleted before they were acknowledged.
func NewConsumerMetrics(meter metric.Meter) (*ConsumerMetrics, error) {
	var m ConsumerMetrics
	var errs [5]error
	m.duration, errs[0] = meter.Float64Histogram("messaging.process.duration", metric.WithUnit("s"), buckets,
		metric.WithDescription("Duration of handling one batch of entries."))
	m.entries, errs[1] = meter.Int64Counter("messaging.client.consumed.messages",
		metric.WithDescription("Entries handled and acknowledged."))
	m.redeliver, errs[2] = meter.Int64Counter("theeye.redeliveries", metric.WithDescription("Entries read again by their own consumer."))
	m.claimed, errs[3] = meter.Int64Counter("theeye.claims", metric.WithDescription("Entries taken over from another consumer."))
	m.lost, errs[4] = meter.Int64Counter("theeye.entries.lost", metric.WithDescription("Entries deleted before they were acknowledged."))
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	for _, rare := range []metric.Int64Counter{m.redeliver, m.claimed, m.lost} {
		rare.Add(context.Background(), 0) // an alert on the rise needs the series from the start
	}
	return &m, nil
}
