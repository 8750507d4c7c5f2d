package ops

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/theeye-dev/theeye/services/internal/certificate"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// exposed is what a scrape gets.
func exposed(t *testing.T, telemetry *Telemetry) string {
	t.Helper()
	answer := httptest.NewRecorder()
	telemetry.Metrics.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
	return answer.Body.String()
}

func newTelemetry(t *testing.T) *Telemetry {
	t.Helper()
	telemetry, err := NewTelemetry(t.Context(), "demo", t.Output(), slog.LevelError)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = telemetry.Shutdown(context.Background()) })
	return telemetry
}

// Each check shows as what it is at the moment of the scrape.
func TestChecksAreMetrics(t *testing.T) {
	t.Parallel()
	telemetry := newTelemetry(t)
	var broken atomic.Bool
	health := Health{
		{Name: "redis_settings", Probe: func(context.Context) error {
			if broken.Load() {
				return errors.New("broken")
			}
			return nil
		}},
		{Name: "redis", Shared: true, Probe: func(context.Context) error { return errors.New("away") }},
	}
	if err := observe(telemetry.Meter, health, nil); err != nil {
		t.Fatal(err)
	}
	for _, own := range []int{1, 0, 1} {
		broken.Store(own == 0)
		got := exposed(t, telemetry)
		for _, want := range []string{
			fmt.Sprintf("theeye_healthy{check=\"redis_settings\",shared=\"false\"} %d\n", own),
			"theeye_healthy{check=\"redis\",shared=\"true\"} 0\n",
		} {
			if !strings.Contains(got, want) {
				t.Errorf("there is no %s in\n%s", want, got)
			}
		}
		if strings.Contains(got, "theeye_tls") {
			t.Error("there is a certificate without TLS")
		}
	}
}

// The dates are those of the certificate that is served now.
func TestCertificateIsMetrics(t *testing.T) {
	t.Parallel()
	telemetry, issued := newTelemetry(t), testenv.NewAuthority(t).Issue(t)
	secure, err := certificate.Server(issued.CertFile, issued.KeyFile, telemetry.Log)
	if err != nil {
		t.Fatal(err)
	}
	if err := observe(telemetry.Meter, nil, secure); err != nil {
		t.Fatal(err)
	}
	pair, err := secure.GetCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	got := exposed(t, telemetry)
	for name, at := range map[string]int64{"not_before": pair.Leaf.NotBefore.Unix(), "not_after": pair.Leaf.NotAfter.Unix()} {
		want := fmt.Sprintf("theeye_tls_certificate_%s_timestamp_seconds %g\n", name, float64(at))
		if !strings.Contains(got, want) {
			t.Errorf("there is no %s in\n%s", want, got)
		}
	}
}
