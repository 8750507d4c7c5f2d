package operator

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/theeye-dev/theeye/api/v1alpha1"
)

// scrapeTimeout bounds the reading of the cache for one scrape.
const scrapeTimeout = 5 * time.Second

// Metrics are the operator's own, beside those of controller-runtime. What Applications say is read from the cache when
// it is asked for: nothing has to be kept up to date, and nothing of a deleted one stays.
type Metrics struct {
	reader      client.Reader
	comparisons *prometheus.CounterVec
	ended       prometheus.Counter
	records     prometheus.Gauge
	heldBack    prometheus.Gauge

	condition, rotation, expiry, lastEvent *prometheus.Desc
}

// NewMetrics registers the metrics; reader is the cache.
func NewMetrics(registerer prometheus.Registerer, reader client.Reader) (*Metrics, error) {
	labels := []string{"namespace", "name"}
	describe := func(name, help string, more ...string) *prometheus.Desc {
		return prometheus.NewDesc("theeye_application_"+name, help, append(labels, more...), nil)
	}
	m := &Metrics{
		reader: reader,
		comparisons: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "theeye_operator_comparisons_total", Help: "Comparisons of auth's records with the cluster's Applications.",
		}, []string{"outcome"}),
		ended: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "theeye_operator_records_ended_total", Help: "Records of auth ended because their Application was gone.",
		}),
		records: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "theeye_operator_records", Help: "Records that auth has of this cluster, at the last comparison.",
		}),
		heldBack: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "theeye_operator_records_held",
			Help: "Records kept although their Applications are gone, because so many would end at once: see the log.",
		}),
		condition: describe("condition", "Whether a condition of an Application has this status.", "type", "status", "reason"),
		rotation:  describe("next_rotation_timestamp_seconds", "When an Application's credentials will be replaced."),
		expiry:    describe("credential_expiry_timestamp_seconds", "When a replaced credential ends.", "id"),
		lastEvent: describe("last_event_timestamp_seconds", "When the newest event of an Application was received."),
	}
	for _, collector := range []prometheus.Collector{m.comparisons, m.ended, m.records, m.heldBack, m} {
		if err := registerer.Register(collector); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *Metrics) comparisonFailed() { m.comparisons.WithLabelValues("failed").Inc() }

func (m *Metrics) compared(records int) {
	m.comparisons.WithLabelValues("completed").Inc()
	m.records.Set(float64(records))
}

func (m *Metrics) held(records int) { m.heldBack.Set(float64(records)) }

func (m *Metrics) collected() { m.ended.Inc() }

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.condition, m.rotation, m.expiry, m.lastEvent} {
		descs <- d
	}
}

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(metrics chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	var list v1alpha1.ApplicationList
	if err := m.reader.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		return // the cache is not there yet: nothing is known
	}
	for i := range list.Items {
		m.of(&list.Items[i], metrics)
	}
}

func (m *Metrics) of(app *v1alpha1.Application, metrics chan<- prometheus.Metric) {
	gauge := func(desc *prometheus.Desc, value float64, more ...string) {
		metrics <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, append([]string{app.Namespace, app.Name}, more...)...)
	}
	moment := func(desc *prometheus.Desc, at *metav1.Time, more ...string) {
		if at != nil {
			gauge(desc, float64(at.Unix()), more...)
		}
	}
	for _, c := range app.Status.Conditions {
		gauge(m.condition, 1, c.Type, string(c.Status), c.Reason)
	}
	moment(m.rotation, app.Status.NextRotation)
	for _, c := range app.Status.Credentials {
		moment(m.expiry, c.ExpiresAt, c.ID)
	}
	if app.Status.Usage != nil {
		moment(m.lastEvent, app.Status.Usage.LastEventAt)
	}
}
