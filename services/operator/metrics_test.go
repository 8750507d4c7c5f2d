package operator

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/theeye-dev/theeye/api/registry"
)

// sampled are the operator's own metrics, as name{label="value",…}, sorted by label.
func sampled(t *testing.T, from prometheus.Gatherer) map[string]float64 {
	t.Helper()
	families, err := from.Gather()
	if err != nil {
		t.Fatal(err)
	}
	samples := map[string]float64{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
			}
			// One of the two is 0.
			samples[family.GetName()+"{"+strings.Join(labels, ",")+"}"] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return samples
}

// awaitSamples waits until the running operator's metrics have these values.
func (w *world) awaitSamples(want map[string]float64) {
	w.t.Helper()
	w.eventually(func() error {
		got := sampled(w.t, w.metrics)
		for name, value := range want {
			if have, found := got[name]; !found || have != value {
				return fmt.Errorf("%s is %v (%t), want %v, among %v", name, have, found, value, got)
			}
		}
		return nil
	})
}

// What an Application's status says can be alerted on, and goes with the Application.
func TestMetricsOfAnApplication(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	received := second(w.clock.Now().Add(-time.Minute))
	w.archive.set(func(f *fakeArchive) { f.usage = registry.Usage{LastEventAt: &received} })
	app, first := w.ready(w.apply("shop", rotating("720h", "24h")))
	w.rotate(app, "please")
	w.otherKey(app, keyOf(first))
	now := second(w.clock.Now())
	of := func(metric, labels string) string {
		return fmt.Sprintf("theeye_application_%s{%sname=%q,namespace=%q", metric, labels, app.Name, app.Namespace)
	}
	want := map[string]float64{
		of("condition", "") + `,reason="Ready",status="True",type="Ready"}`:           1,
		of("next_rotation_timestamp_seconds", "") + "}":                               float64(now.Add(720 * time.Hour).Unix()),
		of("credential_expiry_timestamp_seconds", `id="1",`) + "}":                    float64(now.Add(24 * time.Hour).Unix()),
		of("last_event_timestamp_seconds", "") + "}":                                  float64(received.Unix()),
		of("condition", "") + `,reason="Registered",status="True",type="Registered"}`: 1,
	}
	w.clock.advance(2 * w.options.UsageInterval) // persistence is asked again
	w.poke(app)
	w.awaitSamples(want)
	if _, found := sampled(t, w.metrics)[of("credential_expiry_timestamp_seconds", `id="2",`)+"}"]; found {
		t.Error("the current credential has no end")
	}
	w.delete(app)
	w.eventually(func() error {
		for name := range sampled(t, w.metrics) {
			if strings.HasPrefix(name, "theeye_application_") {
				return fmt.Errorf("there is still %s", name)
			}
		}
		return nil
	})
}

// The operator counts its comparisons, how many records there are, and how many it ended.
func TestMetricsOfComparisons(t *testing.T) {
	t.Parallel()
	const ended, records, held = "theeye_operator_records_ended_total{}", "theeye_operator_records{}", "theeye_operator_records_held{}"
	var s *saboteur
	w := newWorld(t, hasty, func(o *Options) { s = sabotage(o) })
	w.ready(w.apply("shop"))
	w.awaitSamples(map[string]float64{records: 1, ended: 0, held: 0})
	s.order(failing("delete application", errInjected))
	uids := []uuid.UUID{w.register(w.options.Cluster, w.namespace, "gone"), w.register(w.options.Cluster, w.namespace, "gone")}
	failed := w.counter("theeye_operator_comparisons_total", "failed")
	w.eventually(func() error {
		if now := w.counter("theeye_operator_comparisons_total", "failed"); now <= failed {
			return fmt.Errorf("%v comparisons failed", now)
		}
		return nil
	})
	if got := sampled(t, w.metrics)[ended]; got != 0 {
		t.Errorf("%v records ended, and nobody could", got)
	}
	s.order(nil)
	w.awaitSamples(map[string]float64{records: 1, ended: float64(len(uids)), held: 0})
	completed := w.counter("theeye_operator_comparisons_total", "completed")
	w.eventually(func() error {
		if now := w.counter("theeye_operator_comparisons_total", "completed"); now <= completed {
			return fmt.Errorf("%v comparisons completed", now)
		}
		return nil
	})
}

// Whoever would end most of the records is held back, says so each time, and leaves people half an hour.
func TestMostRecordsAreHeld(t *testing.T) {
	t.Parallel()
	const ended, held = "theeye_operator_records_ended_total{}", "theeye_operator_records_held{}"
	w := newWorld(t)
	there, _ := w.ready(w.apply("there"))
	for i := range manyRecords + 1 {
		w.register(w.options.Cluster, w.namespace, fmt.Sprint("gone-", i))
	}
	var log bytes.Buffer
	c, own := w.collector(w.client, w.client, w.namespace), prometheus.NewRegistry()
	metrics, err := NewMetrics(own, w.client)
	if err != nil {
		t.Fatal(err)
	}
	c.metrics, c.log = metrics, slog.New(slog.NewTextHandler(&log, nil))
	for i := 1; i <= patientLooks; i++ {
		if err := c.Compare(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := map[string]float64{ended: 0, held: manyRecords + 1}
		warnings := i
		if i == patientLooks {
			want, warnings = map[string]float64{ended: manyRecords + 1, held: 0}, i-1
		}
		got := sampled(t, own)
		if got[ended] != want[ended] || got[held] != want[held] {
			t.Fatalf("comparison %d: %v ended and %v held, want %v", i, got[ended], got[held], want)
		}
		if n := strings.Count(log.String(), fmt.Sprintf("held=%d records=%d", manyRecords+1, manyRecords+2)); n != warnings {
			t.Fatalf("comparison %d: %d warnings, want %d in %s", i, n, warnings, log.String())
		}
	}
	if w.record(there) == nil {
		t.Error("the record of an Application that is there was ended")
	}
}

// A cache that cannot be read costs the samples of Applications and no other.
func TestMetricsWithoutCache(t *testing.T) {
	t.Parallel()
	own := prometheus.NewRegistry()
	if _, err := NewMetrics(own, blind{err: errInjected}); err != nil {
		t.Fatal(err)
	}
	got := sampled(t, own)
	if _, found := got["theeye_operator_records{}"]; !found || len(got) != 3 {
		t.Errorf("samples %v", got)
	}
}
