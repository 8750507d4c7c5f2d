package chart_test

import (
	"strings"
	"testing"

	"github.com/theeye-dev/theeye/hack/chart/render"
)

// What the schema cannot see, because it is null or fits in other places, the templates refuse by name.
func TestTemplatesRefuse(t *testing.T) {
	t.Parallel()
	for values, want := range map[string]string{
		`networkPolicy: {apiServerPorts: null}`:                                                "networkPolicy.apiServerPorts",
		`redis: {maxMemory: 1gb}`:                                                              "redis.maxMemory (1gb) must be below redis.resources.limits.memory (1Gi)",
		`redis: {maxMemory: 600mb, resources: {limits: {memory: 600M}}}`:                       "redis.maxMemory (600mb)",
		`networkPolicy: {dnsPorts: null}`:                                                      "networkPolicy.dnsPorts",
		`ingress: {enabled: true, host: "*.example.com"}`:                                      "set operator.eventsURL",
		`gateway: {enabled: true, parentRefs: [{name: a}], hostnames: ["*.example.com", b.c]}`: "set operator.eventsURL",
	} {
		_, err := render.Chart(request(parseYAML(t, []byte(values))))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", values, err, want)
		}
	}
	for _, values := range []string{
		`redis: {maxMemory: 599mb, resources: {limits: {memory: 0.6Gi}}}`, `redis: {maxMemory: 2gb, resources: {limits: {memory: null}}}`,
		`redis: {maxMemory: 999m, resources: {limits: {memory: 1G}}}`,
	} {
		if _, err := render.Chart(request(parseYAML(t, []byte(values)))); err != nil {
			t.Errorf("%s: %v", values, err)
		}
	}
	url := `ingress: {enabled: true, host: "*.example.com"}, operator: {eventsURL: "https://a.example.com/v1/events"}`
	if _, err := render.Chart(request(parseYAML(t, []byte("{"+url+"}")))); err != nil {
		t.Errorf("a wildcard with an address beside it: %v", err)
	}
}
