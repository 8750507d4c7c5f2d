package auth

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// Metrics counts what happens between the database and the application log.
type Metrics struct {
	publishes   metric.Int64Counter
	repairs     metric.Int64Counter
	adoptions   metric.Int64Counter
	unpublished metric.Int64Gauge

	appended, kept, failed metric.MeasurementOption
}

// NewMetrics registers theeye.auth.publishes (records, by outcome: appended, kept because the log already had that
// revision, failed), theeye.auth.repairs (fillings of a log that was not complete), theeye.auth.adoptions (applications
// taken over from the log) and theeye.auth.unpublished (applications whose newest change is not in the log: anything
// above 0 for more than seconds means that Redis is away).
func NewMetrics(meter metric.Meter) (*Metrics, error) {
	outcome := func(value string) metric.MeasurementOption {
		return metric.WithAttributeSet(attribute.NewSet(attribute.String("outcome", value)))
	}
	m := &Metrics{appended: outcome("appended"), kept: outcome("kept"), failed: outcome("failed")}
	var errs [4]error
	m.publishes, errs[0] = meter.Int64Counter("theeye.auth.publishes", metric.WithUnit("{record}"),
		metric.WithDescription("Records offered to the application log."))
	m.repairs, errs[1] = meter.Int64Counter("theeye.auth.repairs", metric.WithUnit("{repair}"),
		metric.WithDescription("Times the application log was filled anew."))
	m.adoptions, errs[2] = meter.Int64Counter("theeye.auth.adoptions", metric.WithUnit("{application}"),
		metric.WithDescription("Applications that the database had lost and took over from the application log."))
	m.unpublished, errs[3] = meter.Int64Gauge("theeye.auth.unpublished", metric.WithUnit("{application}"),
		metric.WithDescription("Applications whose newest change is not in the application log yet."))
	return m, errors.Join(errs[:]...)
}

func (m *Metrics) published(ctx context.Context, appended bool, err error) {
	switch {
	case err != nil:
		m.publishes.Add(ctx, 1, m.failed)
	case appended:
		m.publishes.Add(ctx, 1, m.appended)
	default:
		m.publishes.Add(ctx, 1, m.kept)
	}
}
