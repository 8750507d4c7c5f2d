package ops

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// observe registers what a process' ports tell of themselves. secure is nil without TLS.
func observe(meter metric.Meter, health Health, secure *tls.Config) error {
	err := health.observe(meter)
	if secure != nil {
		err = errors.Join(err, observeCertificate(meter, secure))
	}
	if err != nil {
		return fmt.Errorf("register metrics: %w", err)
	}
	return nil
}

// observe registers theeye_healthy: 1 or 0 for each check of /readyz?full, asked at every scrape, so that alerts can tell
// what a pod that is not ready lacks.
func (h Health) observe(meter metric.Meter) error {
	_, err := meter.Int64ObservableGauge("theeye.healthy", metric.WithDescription("Whether a check of /readyz?full passes."),
		metric.WithInt64Callback(func(ctx context.Context, o metric.Int64Observer) error {
			results, _ := h.run(ctx, true)
			for _, r := range results {
				passes := int64(0)
				if r.OK {
					passes = 1
				}
				o.Observe(passes, metric.WithAttributes(attribute.String("check", r.Name), attribute.Bool("shared", r.Shared)))
			}
			return nil
		}))
	return err
}

// observeCertificate registers theeye_tls_certificate_not_before_timestamp_seconds and its not_after: those of the
// certificate that is shown now. A renewal that did not reach the process shows in them, and nowhere else.
func observeCertificate(meter metric.Meter, secure *tls.Config) error {
	before, err := meter.Int64ObservableGauge("theeye.tls.certificate.not_before.timestamp", metric.WithUnit("s"),
		metric.WithDescription("From when the served certificate is valid."))
	after, err2 := meter.Int64ObservableGauge("theeye.tls.certificate.not_after.timestamp", metric.WithUnit("s"),
		metric.WithDescription("Until when the served certificate is valid."))
	_, err3 := meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		pair, err := secure.GetCertificate(nil)
		if err != nil {
			return err
		}
		o.ObserveInt64(before, pair.Leaf.NotBefore.Unix())
		o.ObserveInt64(after, pair.Leaf.NotAfter.Unix())
		return nil
	}, before, after)
	return errors.Join(err, err2, err3)
}
