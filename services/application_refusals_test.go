package services_test

import "strings"

// The forms that a duration may not have.
func badDurations() []string {
	return []string{
		`5 minutes`, `1d`, `1w`, `""`, `"-"`, `"0"`, `"90"`, `+5m`, `1h 30m`, `30m1h`, `1h1h`, `1.h`, `.5h`, `1h30`, `P1D`, `1H`,
		`999999h999999h999999h`, `9999999999999999999h`, `-5m`, `"5m\n"`,
	}
}

// refusals are specs that break one rule each, beside those about credentials.
func refusals() []refusal {
	e128 := strings.Repeat("é", 128)
	list := []refusal{
		{`{displayName: ` + e128 + e128 + `e}`, "spec.displayName", "may not be more than 256"},
		{`{retention: 0s}`, "spec.retention", "must be a duration above 0 and at most 876000h"},
		{`{retention: 876000h0m0.000000001s}`, "spec.retention", "must be a duration above 0 and at most 876000h"},
		{`{retention: 90}`, "spec.retention", "must be of type string"},
		{`{timestamps: {maxFuture: -1ns}}`, "spec.timestamps.maxFuture", "must be a duration between 0s and 24h"},
		{`{timestamps: {maxFuture: 24h0m0.000000001s}}`, "spec.timestamps.maxFuture", "must be a duration between 0s and 24h"},
		{`{timestamps: {maxAge: 0s}}`, "spec.timestamps.maxAge", "must be a duration above 0 and at most 8760h"},
		{`{timestamps: {maxAge: 8760h1s}}`, "spec.timestamps.maxAge", "must be a duration above 0 and at most 8760h"},
		{`{retention: 1h, timestamps: {maxAge: 1h1ns}}`, "spec.timestamps.maxAge", "must not exceed retention"},
		{`{retention: 1h, timestamps: {maxAge: 168h}}`, "spec.timestamps.maxAge", "must not exceed retention"},
		{`{retention: bad, timestamps: {maxAge: 168h}}`, "spec.retention", "must be a duration"},
		{`{limits: {eventsPerSecond: -1}}`, "spec.limits.eventsPerSecond", "greater than or equal to 0"},
		{`{limits: {eventsPerSecond: 2147483648}}`, "<nil>", "must be of type integer with format int32 in spec.limits.eventsPerSecond"},
		{`{limits: {burst: -1}}`, "spec.limits.burst", "greater than or equal to 0"},
		{`{limits: {burst: 2147483648}}`, "<nil>", "must be of type integer with format int32 in spec.limits.burst"},
		{`{limits: {maxEventBytes: -1}}`, "spec.limits.maxEventBytes", "greater than or equal to 0"},
		{`{limits: {maxEventBytes: 1048577}}`, "spec.limits.maxEventBytes", "less than or equal to 1048576"},
		{`{limits: {burst: "1"}}`, "spec.limits.burst", "must be of type int"},
		{`{origins: ` + repeated(65, "https://%d.example.com") + `}`, "spec.origins", "must have at most 64 items"},
		{`{origins: ["https://a.example", "https://b.example", "https://a.example"]}`, "spec.origins[2]", "Duplicate value"},
		{`{origins: ["https://a.example", "https://b.example/"]}`, "spec.origins[1]", "must be scheme://host[:port] as browsers send it"},
		{`{origins: ["https://` + strings.Repeat("a", 254) + `:65535"]}`, "spec.origins[0]", "may not be more than 267"},
		{`{deletionPolicy: Delete}`, "spec.deletionPolicy", `supported values: "Retain", "Erase"`},
		{`{deletionPolicy: ""}`, "spec.deletionPolicy", `supported values: "Retain", "Erase"`},
		{`{unknownEvents: accept}`, "spec.unknownEvents", `supported values: "Accept", "Reject"`},
		{`{eventTypes: ` + repeated(129, "{category: c, name: '%d'}") + `}`, "spec.eventTypes", "must have at most 128 items"},
		{`{eventTypes: [{category: a, name: b}, {category: a, name: c}, {category: a, name: b}]}`, "spec.eventTypes[2]", "Duplicate value"},
		{`{eventTypes: [{category: a}]}`, "spec.eventTypes[0].name", "Required value"},
		{`{eventTypes: [{name: a}]}`, "spec.eventTypes[0].category", "Required value"},
		{`{eventTypes: [{category: "", name: a}]}`, "spec.eventTypes[0].category", "at least 1 chars long"},
		{`{eventTypes: [{category: a, name: ""}]}`, "spec.eventTypes[0].name", "at least 1 chars long"},
		{`{eventTypes: [{category: ` + e128 + `e, name: a}]}`, "spec.eventTypes[0].category", "may not be more than 128"},
		{`{eventTypes: [{category: a, name: ` + e128 + `e}]}`, "spec.eventTypes[0].name", "may not be more than 128"},
		{`{eventTypes: [{category: a, name: b, schema: true}]}`, "spec.eventTypes[0].schema", "must be of type object"},
	}
	for _, duration := range badDurations() {
		list = append(list,
			refusal{`{retention: ` + duration + `}`, "spec.retention", "must be a duration above 0 and at most 876000h, such as 2160h"},
			refusal{`{timestamps: {maxFuture: ` + duration + `}}`, "spec.timestamps.maxFuture", "must be a duration between 0s and 24h, such as 5m"},
			refusal{`{timestamps: {maxAge: ` + duration + `}, retention: 1h}`, "spec.timestamps.maxAge", "must be a duration above 0 and at most 8760h, such as 168h"},
			refusal{`{credentials: {rotation: {interval: ` + duration + `, overlap: 1h}}}`, "spec.credentials.rotation.interval", "must be a duration of at least 1h, such as 720h"},
			refusal{`{credentials: {rotation: {overlap: ` + duration + `, interval: 1h}}}`, "spec.credentials.rotation.overlap", "must be a duration of at least 0s, such as 24h"})
	}
	return list
}

// credentialRefusals are the others.
func credentialRefusals() []refusal {
	const (
		rotation, template = "spec.credentials.rotation.", "spec.credentials.template."
		secret, existing   = "spec.credentials.secretName", "spec.credentials.existingSecret"
		isName             = "must be the name of a Secret"
		written            = "must not be a Secret that the operator writes"
		own                = "keys under theeye.dev/ are the operator's own"
		references         = "a value may refer to $(client-id), $(client-secret), $(api-key), $(uri), $(token-uri), $(type) and $(provider) only"
		leftOut            = "api-key and client-secret can be left out only when another key is exactly $(api-key) or $(client-secret)"
	)
	list := []refusal{
		{`{credentials: {rotation: {interval: 59m59s}}}`, rotation + "interval", "must be a duration of at least 1h"},
		{`{credentials: {rotation: {interval: 1h, overlap: 1h1ns}}}`, rotation + "overlap", "must not exceed interval"},
		{`{credentials: {secretName: ` + strings.Repeat("a", 249) + `}}`, secret, "may not be more than 248"},
		{`{credentials: {existingSecret: ` + strings.Repeat("a", 254) + `}}`, existing, "may not be more than 253"},
		{`{credentials: {secretName: mine, existingSecret: mine}}`, existing, written},
		{`{credentials: {secretName: mine, existingSecret: mine-next}}`, existing, written},
		{`{credentials: {existingSecret: new-theeye}}`, existing, written},
		{`{credentials: {secretName: "", existingSecret: new-theeye-next}}`, existing, written},
		{`{credentials: {template: {labels: ` + mapping(33, "k%d: v") + `}}}`, template + "labels", "must have at most 32 items"},
		{`{credentials: {template: {annotations: ` + mapping(33, "k%d: v") + `}}}`, template + "annotations", "must have at most 32 items"},
		{`{credentials: {template: {keys: ` + mapping(33, "k%d: v") + `}}}`, template + "keys", "must have at most 32 items"},
		{`{credentials: {template: {labels: {theeye.dev/secret: issued}}}}`, template + "labels", own},
		{`{credentials: {template: {annotations: {theeye.dev/credentials: "[]"}}}}`, template + "annotations", own},
		{`{credentials: {template: {annotations: {k: "` + strings.Repeat("é", 1025) + `"}}}}`, template + "annotations", "a value may have at most 1024 characters"},
		{`{credentials: {template: {keys: {k: "` + strings.Repeat("é", 4097) + `"}}}}`, template + "keys.k", "may not be more than 4096"},
		{`{credentials: {template: {keys: {api-key: "", client-secret: ""}}}}`, template + "keys", leftOut},
		{`{credentials: {template: {keys: {api-key: "", client-secret: "", url: "http://x?key=$(api-key)"}}}}`, template + "keys", leftOut},
		{`{credentials: {template: {keys: {` + strings.Repeat("k", 254) + `: v}}}}`, template + "keys", "a key is no key of a Secret"},
	}
	for _, name := range []string{"Mine", "a_b", "a/b", "-a", "a-", "a..b", ".a", "a b", "ä"} {
		list = append(list, refusal{`{credentials: {secretName: ` + name + `}}`, secret, isName},
			refusal{`{credentials: {existingSecret: ` + name + `}}`, existing, isName})
	}
	for _, key := range []string{`""`, "-a", "a-", "a b", "a/b/c", "/a", "a/", "ä", "a_b/c", strings.Repeat("k", 64), strings.Repeat("p", 254) + "/k"} {
		list = append(list, refusal{`{credentials: {template: {labels: {` + key + `: v}}}}`, template + "labels", "a key is no label key"},
			refusal{`{credentials: {template: {annotations: {` + key + `: v}}}}`, template + "annotations", "a key is no annotation key"})
	}
	for _, value := range []string{"-a", "a-", "a b", "a/b", "ä", strings.Repeat("v", 64)} {
		list = append(list, refusal{`{credentials: {template: {labels: {k: ` + value + `}}}}`, template + "labels", "a value is no label value"})
	}
	for _, key := range []string{`""`, "a b", "a/b", "ä", "a$"} {
		list = append(list, refusal{`{credentials: {template: {keys: {` + key + `: v}}}}`, template + "keys", "a key is no key of a Secret"})
	}
	for _, text := range []string{"$(password)", "$(API-KEY)", "$( uri)", "$(uri", "a$$(b)c", "$()", "$(uri)$(x)", "$(uri))$(", "$\\n$(x)"} {
		list = append(list, refusal{`{credentials: {template: {keys: {k: "` + text + `"}}}}`, template + "keys", references})
	}
	for _, key := range []string{"client-id", "client-secret", "api-key", "uri", "token-uri"} {
		list = append(list, refusal{`{credentials: {template: {keys: {` + key + `: "$(` + key + `)"}}}}`, template + "keys", "a standard key can only be left out"})
	}
	for _, key := range []string{"type", "provider"} {
		for _, text := range []string{"", "other"} {
			list = append(list, refusal{`{credentials: {template: {keys: {` + key + `: "` + text + `"}}}}`, template + "keys", "type and provider cannot be changed or left out"})
		}
	}
	return list
}
