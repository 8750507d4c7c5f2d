package registry_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/api/registry"
)

func TestPolicyDefaults(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name              string
		policy            registry.Policy
		bytes             int
		maxFuture, maxAge time.Duration
	}{
		{"zero", registry.Policy{}, event.MaxEventBytes, 5 * time.Minute, 168 * time.Hour},
		{"empty parts", registry.Policy{Limits: &registry.Limits{Burst: 1}, Timestamps: &registry.Timestamps{}}, event.MaxEventBytes, 5 * time.Minute, 168 * time.Hour},
		{
			"all set",
			registry.Policy{
				Limits:     &registry.Limits{MaxEventBytes: 100},
				Timestamps: &registry.Timestamps{MaxFuture: duration(0), MaxAge: duration(time.Hour)}, Retention: duration(2 * time.Hour),
			},
			100, 0, time.Hour,
		},
		{"short retention", registry.Policy{Retention: duration(time.Hour)}, event.MaxEventBytes, 5 * time.Minute, time.Hour},
		{"long retention", registry.Policy{Retention: duration(10_000 * time.Hour)}, event.MaxEventBytes, 5 * time.Minute, 168 * time.Hour},
	} {
		if got := tt.policy.MaxEventBytes(); got != tt.bytes {
			t.Errorf("%s: MaxEventBytes is %d, want %d", tt.name, got, tt.bytes)
		}
		if got := tt.policy.MaxFuture(); got != tt.maxFuture {
			t.Errorf("%s: MaxFuture is %v, want %v", tt.name, got, tt.maxFuture)
		}
		if got := tt.policy.MaxAge(); got != tt.maxAge {
			t.Errorf("%s: MaxAge is %v, want %v", tt.name, got, tt.maxAge)
		}
		if err := tt.policy.Validate(); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func types(n int) (list []registry.EventType) {
	for i := range n {
		list = append(list, registry.EventType{Category: "c", Name: fmt.Sprint(i)})
	}
	return list
}

func times(maxFuture, maxAge time.Duration) *registry.Timestamps {
	return &registry.Timestamps{MaxFuture: duration(maxFuture), MaxAge: duration(maxAge)}
}

func TestPolicyValidate(t *testing.T) {
	t.Parallel()
	app := application()
	long := strings.Repeat("é", event.MaxNameChars)
	for name, policy := range map[string]registry.Policy{
		"whole":       app.Policy,
		"long":        {DisplayName: long + long, Retention: duration(registry.LimitRetention)},
		"rates":       {Limits: &registry.Limits{EventsPerSecond: registry.MaxRate, Burst: registry.MaxRate}},
		"bounds":      {Timestamps: times(24*time.Hour, 8760*time.Hour), Limits: &registry.Limits{MaxEventBytes: event.MaxEventBytes}},
		"retention":   {Timestamps: times(0, time.Hour), Retention: duration(time.Hour)},
		"event types": {EventTypes: types(registry.MaxEventTypes)},
		"same name":   {EventTypes: []registry.EventType{{Category: "a b", Name: "c"}, {Category: "a", Name: "b c"}}},
		"long names":  {EventTypes: []registry.EventType{{Category: long, Name: long}}},
		"faulty schema": {EventTypes: []registry.EventType{
			{Category: "a", Name: "b", Schema: []byte(`{"type":"nothing"}`)},
		}},
		"accept": {UnknownEvents: registry.AcceptUnknown},
	} {
		if err := policy.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, tt := range []struct {
		name   string
		policy registry.Policy
		want   string
	}{
		{"rate", registry.Policy{Limits: &registry.Limits{EventsPerSecond: -1}}, "limits must not be negative"},
		{"burst", registry.Policy{Limits: &registry.Limits{Burst: -1}}, "limits must not be negative"},
		{"large rate", registry.Policy{Limits: &registry.Limits{EventsPerSecond: registry.MaxRate + 1}}, "limits must be at most 2147483647"},
		{"large burst", registry.Policy{Limits: &registry.Limits{Burst: registry.MaxRate + 1}}, "limits must be at most 2147483647"},
		{"event bytes", registry.Policy{Limits: &registry.Limits{MaxEventBytes: event.MaxEventBytes + 1}}, "limits.maxEventBytes must be between 0 and 1048576"},
		{"negative event bytes", registry.Policy{Limits: &registry.Limits{MaxEventBytes: -1}}, "limits.maxEventBytes must be between 0 and 1048576"},
		{"future", registry.Policy{Timestamps: times(24*time.Hour+1, time.Hour)}, "timestamps.maxFuture must be between 0 and 24h0m0s"},
		{"negative future", registry.Policy{Timestamps: times(-1, time.Hour)}, "timestamps.maxFuture must be between 0 and 24h0m0s"},
		{"age", registry.Policy{Timestamps: times(0, 8760*time.Hour+1)}, "timestamps.maxAge must be above 0 and at most 8760h0m0s"},
		{"no age", registry.Policy{Timestamps: times(0, 0)}, "timestamps.maxAge must be above 0 and at most 8760h0m0s"},
		{"age beyond retention", registry.Policy{Timestamps: times(0, 2*time.Hour), Retention: duration(time.Hour)}, "timestamps.maxAge must not exceed retention"},
		{"no retention", registry.Policy{Retention: duration(0)}, "retention must be above 0 and at most 876000h0m0s"},
		{"negative retention", registry.Policy{Retention: duration(-time.Hour)}, "retention must be above 0 and at most 876000h0m0s"},
		{"long retention", registry.Policy{Retention: duration(registry.LimitRetention + 1)}, "retention must be above 0 and at most 876000h0m0s"},
		{"display name", registry.Policy{DisplayName: long + long + "x"}, "displayName may have at most 256 characters"},
		{"repeated origin", registry.Policy{Origins: []string{"http://a", "http://b", "http://a"}}, `origins[2] repeats "http://a"`},
		{"unknown events", registry.Policy{UnknownEvents: "accept"}, "unknownEvents must be Accept or Reject"},
		{"event types", registry.Policy{EventTypes: types(registry.MaxEventTypes + 1)}, "at most 128 eventTypes are allowed"},
		{"no category", registry.Policy{EventTypes: []registry.EventType{{Name: "n"}}}, "eventTypes[0] needs category and name of 1 to 128 characters"},
		{"long name", registry.Policy{EventTypes: []registry.EventType{{Category: "c", Name: long + "x"}}}, "eventTypes[0] needs category and name of 1 to 128 characters"},
		{"repeated type", registry.Policy{EventTypes: append(types(2), types(1)...)}, `eventTypes[2] repeats "c 0"`},
		{"origins", registry.Policy{Origins: make([]string, 65)}, "at most 64 origins are allowed"},
		{"several", registry.Policy{UnknownEvents: "x", Retention: duration(0)}, "unknownEvents must be Accept or Reject\nretention must be above 0 and at most 876000h0m0s"},
	} {
		err := tt.policy.Validate()
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) || tt.name != "origins" && err.Error() != tt.want {
			t.Errorf("%s: error is %v, want %s", tt.name, err, tt.want)
		}
	}
}

func TestPolicyOrigins(t *testing.T) {
	t.Parallel()
	for origin, want := range map[string]bool{
		"https://shop.example.com": true, "http://localhost:8080": true, "https://xn--mller-kva.example": true, "http://[::1]:3000": true,
		"http://127.0.0.1:1": true, "https://shop.example.com:80": true, "https://x:65535": true,
		"": false, "*": false, "null": false, "shop.example.com": false, "https://": false, "https:": false, "ftp://x": false,
		"https://shop.example.com/": false, "https://shop.example.com/a": false, "https://x?a": false, "https://x#a": false,
		"https://user@x": false, "https://Shop.example.com": false, "HTTPS://x": false, "https://müller.example": false,
		"https://x:443": false, "http://x:80": false, "https://x:": false, "https://:80": false, "https://x:0": false,
		"https://x:65536": false, "https://x:0080": false, "https://*.example.com": false, "https://x y": false, " https://x": false,
		"https://x%2e": false, "https://" + strings.Repeat("a", 253) + ":65535": true, "https://" + strings.Repeat("a", 254) + ":65535": false,
	} {
		p := registry.Policy{Origins: []string{"https://before.example", origin}}
		err := p.Validate()
		if (err == nil) != want {
			t.Errorf("%q: error is %v, valid %t expected", origin, err, want)
		}
		if err != nil && !strings.HasPrefix(err.Error(), "origins[1] ") {
			t.Errorf("%q: error is %v", origin, err)
		}
	}
}
