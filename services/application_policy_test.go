package services_test

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

func period(d time.Duration) *registry.Duration {
	converted := registry.Duration(d)
	return &converted
}

// policies are at and beyond every edge of what a policy may be.
func policies() (list []registry.Policy) {
	long := strings.Repeat("é", event.MaxNameChars)
	for _, d := range []time.Duration{
		math.MinInt64, -time.Hour, -1, 0, 1, 999, time.Microsecond, 1500, 1500 * time.Microsecond, time.Second + 1, 5 * time.Minute,
		registry.DefaultMaxAge - 1, registry.DefaultMaxAge, registry.LimitMaxFuture, registry.LimitMaxFuture + 1,
		registry.LimitMaxAge, registry.LimitMaxAge + 1, registry.LimitRetention, registry.LimitRetention + 1, math.MaxInt64,
	} {
		list = append(list,
			registry.Policy{Retention: period(d)},
			registry.Policy{Timestamps: &registry.Timestamps{MaxFuture: period(d)}},
			registry.Policy{Timestamps: &registry.Timestamps{MaxAge: period(d)}},
			registry.Policy{Timestamps: &registry.Timestamps{MaxAge: period(time.Hour)}, Retention: period(d)},
			registry.Policy{Timestamps: &registry.Timestamps{MaxAge: period(d)}, Retention: period(time.Hour)})
	}
	for _, n := range []int{math.MinInt64, -1, 0, 1, event.MaxEventBytes, event.MaxEventBytes + 1, registry.MaxRate, registry.MaxRate + 1, math.MaxInt64} {
		list = append(list,
			registry.Policy{Limits: &registry.Limits{EventsPerSecond: n}},
			registry.Policy{Limits: &registry.Limits{Burst: n}},
			registry.Policy{Limits: &registry.Limits{EventsPerSecond: 1, MaxEventBytes: n}})
	}
	for _, n := range []int{0, 1, registry.MaxEventTypes, registry.MaxEventTypes + 1} {
		var p registry.Policy
		for i := range n {
			p.EventTypes = append(p.EventTypes, registry.EventType{Category: "c", Name: fmt.Sprint(i)})
		}
		list = append(list, p)
	}
	for _, name := range []string{"", " ", "a b", long, long + "é", "\x00\n"} {
		list = append(list,
			registry.Policy{EventTypes: []registry.EventType{{Category: name, Name: "n", Schema: []byte(`{"type":"nothing"}`)}}},
			registry.Policy{EventTypes: []registry.EventType{{Category: "c", Name: name}}},
			registry.Policy{EventTypes: []registry.EventType{{Category: name, Name: "n"}, {Category: "c", Name: "n"}, {Category: name, Name: "n"}}},
			registry.Policy{DisplayName: name + long}, registry.Policy{DisplayName: name + long + "é"})
	}
	return append(list, registry.Policy{}, registry.Policy{Suspended: true},
		registry.Policy{UnknownEvents: registry.AcceptUnknown}, registry.Policy{UnknownEvents: registry.RejectUnknown}, registry.Policy{UnknownEvents: "accept"},
		registry.Policy{EventTypes: []registry.EventType{{Category: "a b", Name: "c"}, {Category: "a", Name: "b c"}}})
}

// asSpec is a policy as a manifest has it.
func asSpec(t *testing.T, p registry.Policy) string {
	t.Helper()
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), "\u007f", `\u007f`) // YAML takes it in no other form
}

// The API server accepts of a spec what auth accepts of a policy, no less and no more: or the operator would hold a
// resource that auth refuses for ever. The one exception is a schema that is no object.
func TestApplicationPolicies(t *testing.T) {
	t.Parallel()
	k8s, namespace := strictly(t), testenv.Kubernetes(t).Namespace(t)
	verdicts := map[bool]int{}
	for _, p := range append(policies(), originLists()...) {
		spec, want := asSpec(t, p), p.Validate()
		object := withSpec(t, namespace, "policy", spec)
		got := k8s.Create(t.Context(), object, client.DryRunAll)
		if verdicts[got == nil]++; (got == nil) != (want == nil) {
			t.Errorf("%s\n the API server says %v\n auth says %v", spec, got, want)
		}
		if got != nil {
			causes(t, got)
			continue
		}
		read := typed(t, object).Spec.Policy()
		if err := read.Validate(); err != nil {
			t.Errorf("%s is read as %s: %v", spec, asSpec(t, read), err)
		}
	}
	if verdicts[true] < 50 || verdicts[false] < 50 {
		t.Errorf("accepted and refused: %v", verdicts)
	}
}

// originLists are origins in numbers and lengths that are judged before their form is.
func originLists() (list []registry.Policy) {
	for _, n := range []int{1, registry.MaxOrigins, registry.MaxOrigins + 1} {
		var p registry.Policy
		for i := range n {
			p.Origins = append(p.Origins, fmt.Sprintf("https://%d.example.com", i))
		}
		list = append(list, p)
	}
	for _, n := range []int{253, 254, 10_000} {
		list = append(list, registry.Policy{Origins: []string{"https://" + strings.Repeat("a", n) + ":65535"}})
	}
	return append(list, registry.Policy{Origins: []string{"https://a", "https://b", "https://a"}})
}

// origins are schemes, hosts, ports and what may follow, in every combination.
func origins() (list []string) {
	hosts := []string{
		"", "shop.example.com", "localhost", "xn--mller-kva.example", "müller.example", "Shop.example.com", "127.0.0.1", "[::1]", "[::1", "::1", "[::443]",
		"[1:2:3:4:5:6:7:8]", "[fe80::1%25en0]", "[::A]", "[x]", "[]", "a]", "[::ffff:1.2.3.4]", "a.", ".", "-", "_a", "*.example.com", "*", "a b", "a%2e", "a,b",
		"a;b", "a=b", "a\"b", "a<b>", "a'b", "(a)", "a!b", "a~b", "a$b", "a&b", "a+b", "a{b", "a|b", "a^b", "a`b", "a\\b", "a\tb", "a\nb", "a\u007fb", "a:b", "user@a", "u:p@a",
	}
	for _, scheme := range []string{"https://", "http://", "HTTPS://", "ftp://", "https:", "https:/", "https:///", "//", "", " https://", "null"} {
		for _, host := range hosts {
			for _, port := range []string{"", ":", ":0", ":1", ":80", ":443", ":8080", ":0080", ":080", ":65535", ":65536", ":99999", ":123456", ":18446744073709551617", ":-1", ":+1", ":a", ":8 0", ":1:2"} {
				list = append(list, scheme+host+port)
			}
		}
		for _, rest := range []string{"/", "/a", "?", "?a", "#", "#a", "\n", " ", "//", "@", "%"} {
			list = append(list, scheme+"a.example"+rest, scheme+"a.example:8080"+rest)
		}
	}
	return list
}

// Of origins the API server accepts exactly those that auth accepts.
func TestApplicationOrigins(t *testing.T) {
	t.Parallel()
	k8s, namespace := strictly(t), testenv.Kubernetes(t).Namespace(t)
	all, accepted := origins(), 0
	for len(all) > 0 {
		some := all[:min(registry.MaxOrigins, len(all))]
		all = all[len(some):]
		refused := map[string]bool{}
		if err := k8s.Create(t.Context(), withSpec(t, namespace, "origins", asSpec(t, registry.Policy{Origins: some})), client.DryRunAll); err != nil {
			for _, cause := range causes(t, err) {
				refused[cause.Field] = true
				if !strings.Contains(cause.Message, "must be scheme://host[:port]") {
					t.Errorf("%s: %s", cause.Field, cause.Message)
				}
			}
		}
		for i, origin := range some {
			p := registry.Policy{Origins: []string{origin}}
			want := p.Validate() == nil
			if got := !refused[fmt.Sprintf("spec.origins[%d]", i)]; got != want {
				t.Errorf("%q: the API server accepts it: %t, auth: %t", origin, got, want)
			}
			if want {
				accepted++
			}
		}
	}
	if accepted < 100 {
		t.Errorf("only %d accepted", accepted)
	}
}
