package services_test

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// usedMetrics says what the chart's alerts and dashboard take from which service; hack/alerts keeps it complete.
const usedMetrics = "../hack/alerts/metrics.txt"

// What alerts and dashboard ask for is told by the services as they run. An alert on a metric that was renamed would
// never fire, and nobody would know.
func TestServicesTellWhatAlertsAskFor(t *testing.T) {
	t.Parallel()
	namespace := testenv.Kubernetes(t).Namespace(t)
	o := newOperated(t, []string{namespace}, "--usage-interval=1s", "--compare-interval=1s")
	o.limitRedis()
	authority := testenv.NewAuthority(t)
	certified := testenv.Start(t, testenv.Options{
		Name: "ingest", Env: []string{"THEEYE_REDIS_URL=" + o.redis.URL()}, TLS: authority.Issue(t),
	})
	o.create(namespace, "web-shop", "{credentials: {rotation: {interval: 720h, overlap: 24h}}}")
	a := o.accepted(namespace, "web-shop")
	if status, body := o.post(a, eventJSON(0, 0)); status != http.StatusAccepted {
		t.Fatalf("answered %d %s", status, body)
	}
	o.cluster.Kubectl(t, "annotate", "eyeapp", "web-shop", "-n", namespace, "theeye.dev/rotate=1")
	const failing = "operator theeye_operator_comparisons_total outcome=failed"
	missing := requirements(t)
	delete(missing, failing)
	operator := target{"operator", o.operator.OpsURL, o.client}
	awaitTold(t, missing, target{"ingest", o.ingest.OpsURL, o.client}, target{"ingest", certified.OpsURL, authority.Client(t)},
		target{"auth", o.auth.OpsURL, o.client}, target{"persistence", o.persistence.OpsURL, o.client}, operator)
	o.auth.Stop()
	awaitTold(t, map[string]bool{failing: true}, operator)
}

// requirements are the lines of usedMetrics: service, metric, labels or label=value.
func requirements(t *testing.T) map[string]bool {
	t.Helper()
	text, err := os.ReadFile(usedMetrics)
	if err != nil {
		t.Fatal(err)
	}
	lines := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			lines[line] = true
		}
	}
	if len(lines) == 0 {
		t.Fatalf("%s is empty", usedMetrics)
	}
	return lines
}

// target is a process to scrape.
type target struct {
	service, url string
	client       *http.Client
}

// awaitTold waits until processes have told all that is missing, each at some time.
func awaitTold(t *testing.T, missing map[string]bool, targets ...target) {
	t.Helper()
	eventually(t, func() error {
		for _, from := range targets {
			status, text := (&system{t: t, client: from.client}).do(http.MethodGet, from.url+"/metrics", "", nil)
			if status != http.StatusOK {
				return fmt.Errorf("%s answers %d %s", from.service, status, text)
			}
			maps.DeleteFunc(missing, func(line string, _ bool) bool {
				words := strings.Fields(line)
				return words[0] == from.service && tells(string(text), words[1], words[2:])
			})
		}
		if len(missing) > 0 {
			return fmt.Errorf("nobody tells %q", slices.Sorted(maps.Keys(missing)))
		}
		return nil
	})
}

// tells says whether one series has a name and all of some labels, with the values that are asked for.
func tells(exposition, name string, labels []string) bool {
	for line := range strings.Lines(exposition) {
		series, found := strings.CutPrefix(line, name)
		if !found || !strings.ContainsAny(series[:1], "{ ") {
			continue
		}
		if !slices.ContainsFunc(labels, func(label string) bool { return !has(series, label) }) {
			return true
		}
	}
	return false
}

// has says whether a series, from its braces on, has a label. Prometheus calls a metric's own namespace exported_namespace.
func has(series, label string) bool {
	name, value, valued := strings.Cut(strings.TrimPrefix(label, "exported_"), "=")
	start := name + `="`
	if valued {
		start += value + `"`
	}
	return strings.Contains(series, "{"+start) || strings.Contains(series, ","+start)
}

// limitRedis gives Redis a limit, as every installation has.
func (o *operated) limitRedis() {
	o.t.Helper()
	options, err := redis.ParseURL(o.redis.URL())
	if err != nil {
		o.t.Fatal(err)
	}
	client := redis.NewClient(options)
	defer client.Close() //nolint:errcheck // nothing is lost with it
	if err := client.ConfigSet(o.t.Context(), "maxmemory", "512mb").Err(); err != nil {
		o.t.Fatal(err)
	}
}
