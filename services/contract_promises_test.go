package services_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/theeye-dev/theeye/api/apikey"
	"github.com/theeye-dev/theeye/api/event"
)

// promises are all of them. Those that count what came before stand at the end.
func promises() []promise {
	return slices.Concat(ofRequests(), ofOtherServices(), ofTokens(), ofEvents(), ofJSON(), ofPolicies(), ofCounts())
}

const sound = `{"session_id":"s","category":"c","name":"n"}`

// The lines of the design's table of answers. What Redis and the service itself may lack: contract_trouble_test.go.
const (
	unsplittable = "cannot be split into events"
	unreadable   = "wrong media type or content coding"
	unknownKey   = "no or wrong credential"
	notAllowed   = "suspended application, wrong origin"
	tooLarge     = "too large"
	allInvalid   = "all events invalid"
	overRate     = "over the application's rate"
)

// soundWith is a sound event with further members.
func soundWith(members string) string { return sound[:len(sound)-1] + "," + members + "}" }

func times(event string, n int) string { return "[" + strings.Repeat(event+",", n-1) + event + "]" }

func gzipped(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(text)) // a buffer takes all
	_ = w.Close()
	return b.String()
}

// ofRequests are the promises for requests of which no event is looked at.
func ofRequests() []promise {
	challenge, accept, coding := []string{"WWW-Authenticate"}, []string{"Accept"}, []string{"Accept-Encoding"}
	return []promise{
		{situation: unsplittable, code: "request.malformed", body: "{\n" + `"session_id": s}`, status: 400, detail: "line 2, column 15", pointer: "/session_id"},
		{situation: unsplittable, code: "request.malformed", body: "[" + sound + ",\n" + soundWith(`"data":{"ä":x}`) + "]", status: 400, detail: fmt.Sprintf("line 2, column %d", len(sound)+len(`,"data":{"a":`)), pointer: "/1/data/ä"},
		{situation: unsplittable, code: "request.no_events", body: " [ ]", status: 400},
		{situation: unsplittable, code: "request.undecodable", header: []string{"Content-Encoding", "gzip"}, body: sound, status: 400, detail: "gzip"},
		{situation: unreadable, code: "request.media_type", header: []string{"Content-Type", "application/x-www-form-urlencoded"}, body: "session_id=s", status: 415, headers: accept, detail: "application/json"},
		{situation: unreadable, code: "request.media_type", header: []string{"Content-Type", "application/json; charset=latin1"}, body: sound, status: 415, headers: accept},
		{situation: unreadable, code: "request.content_coding", header: []string{"Content-Encoding", "br"}, body: sound, status: 415, headers: coding},
		{situation: unknownKey, code: "credential.invalid", as: "nobody", body: sound, status: 401, headers: challenge},
		{situation: unknownKey, code: "credential.invalid", as: "nobody", header: []string{"Authorization", "Bearer " + apikey.New("test", "eye_000000000000000000000000", "1")}, body: sound, status: 401, headers: challenge},
		{situation: unknownKey, code: "credential.invalid", as: "nobody", header: []string{"Authorization", "Bearer " + unsigned}, body: sound, status: 401, headers: challenge, detail: "Ed25519"},
		{situation: notAllowed, code: "application.suspended", as: "suspended", body: sound, status: 403, again: true},
		{situation: notAllowed, code: "origin.forbidden", at: "ingest /v1/events?key=PAGES", as: "nobody", header: []string{"Origin", "https://shop.example.org"}, body: sound, status: 403, detail: "https://shop.example.org"},
		{situation: notAllowed, code: "origin.forbidden", at: "ingest /v1/events?key=PAGES", as: "nobody", body: sound, status: 403},
		{situation: tooLarge, code: "request.too_large", body: sound + strings.Repeat(" ", event.MaxRequestBytes), status: 413, detail: fmt.Sprint(event.MaxRequestBytes)},
		{situation: tooLarge, code: "request.too_large", header: []string{"Content-Encoding", "gzip"}, body: gzipped(sound + strings.Repeat(" ", 64<<20)), status: 413, detail: fmt.Sprint(event.MaxRequestBytes)},
		{situation: tooLarge, code: "request.too_many_events", body: times(sound, event.MaxEvents+1), status: 413, detail: fmt.Sprint(event.MaxEvents)},
		{situation: tooLarge, code: "event.too_large", as: "small", body: soundWith(`"data":{"page":"` + strings.Repeat("x", 300) + `"}`), status: 413, detail: "300"},
		{code: "request.parameter", header: []string{"Idempotency-Key", strings.Repeat("k", 256)}, body: sound, status: 400, detail: "Idempotency-Key"},
		{code: "method_not_allowed", method: "PUT", body: sound, status: 405, headers: []string{"Allow"}},
		{code: "not_found", at: "ingest /v1/event", body: sound, status: 404},
		{code: "not_found", at: "ingest //v1/events", body: sound, status: 404, detail: "meant is /v1/events"},
	}
}

// ofOtherServices are the promises of auth and persistence that differ from ingest's.
func ofOtherServices() []promise {
	return []promise{
		{code: "request.parameter", method: "GET", at: "persistence /v1/events?limit=0", status: 400, detail: "limit"},
		{code: "request.parameter", method: "GET", at: "persistence /v1/events?sesion_id=s", status: 400, detail: "sesion_id"},
		{code: "credential.invalid", method: "GET", at: "persistence /v1/events", as: "nobody", status: 401, headers: []string{"WWW-Authenticate"}},
		{code: "permission.denied", method: "DELETE", at: "persistence /v1/applications/UID/events", status: 403},
		{code: "request.parameter", method: "GET", at: "persistence /v1/events?data.a[gt]=true", status: 400, detail: "data.a[gt]"},
		{code: "permission.denied", method: "DELETE", at: "persistence /v1/sessions/s", status: 403},
		{code: "not_found", method: "GET", at: "persistence /v1/sessions/none", status: 404},
		{code: "not_found", method: "GET", at: "persistence /v1/events/none", status: 404},
		{code: "not_found", method: "GET", at: "persistence /v1/failures/none", status: 404},
		{code: "not_found", method: "POST", at: "persistence /v1/replays/none/cancel", status: 404},
		{code: "request.parameter", method: "GET", at: "persistence /v1/failures?state=closed", status: 400, detail: "state must be one of"},
		{code: "not_found", method: "GET", at: "persistence //v1/events", status: 404, detail: "meant is /v1/events"},
		{code: "not_found", at: "auth //v1/token", as: "nobody", status: 404, detail: "meant is /v1/token"},
		{code: "request.invalid", method: "PUT", at: "auth /v1/applications/UID", as: "admin", body: `{"namespace":"shop"}`, status: 422, detail: "name"},
		{code: "conflict", method: "PUT", at: "auth /v1/applications/UID/credentials/more", as: "admin", body: `{"sha256":"` + strings.Repeat("a", 64) + `"}`, status: 409, detail: "limit"},
		{code: "request.malformed", method: "PUT", at: "auth /v1/applications/UID", as: "admin", body: `{`, status: 400},
		{code: "credential.invalid", method: "GET", at: "auth /v1/applications", as: "shop", status: 401},
		{code: "credential.invalid", method: "GET", at: "persistence /v1/events", as: "nobody", header: []string{"Authorization", "Bearer " + unsigned}, status: 401, headers: []string{"WWW-Authenticate"}},
	}
}

// unsigned says that it is an access token, and that nobody has signed it.
const unsigned = "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.e30."

// ofTokens are the promises of auth to clients that want a token.
func ofTokens() []promise {
	const grant = "grant_type=client_credentials"
	form, unkept := []string{"Content-Type", "application/x-www-form-urlencoded"}, []string{"Cache-Control"}
	asked := func(code, body string, status int, detail string) promise {
		return promise{code: code, at: "auth /v1/token", as: "nobody", header: form, body: body, status: status, detail: detail, headers: unkept}
	}
	unknown := asked("credential.invalid", grant, 401, "HTTP Basic, or")
	unknown.headers = []string{"WWW-Authenticate", "Cache-Control"}
	media := asked("request.media_type", grant, 415, "x-www-form-urlencoded")
	media.header, media.headers = nil, []string{"Accept", "Cache-Control"}
	return []promise{
		unknown, media,
		asked("credential.invalid", grant+"&client_id=eye_000000000000000000000000&client_secret="+apikey.New("test", "eye_000000000000000000000000", "1"), 401, "unknown"),
		asked("request.parameter", "grant_type=password", 400, "client_credentials"),
		asked("request.parameter", grant+"&"+grant, 400, "2 times"),
		asked("request.too_large", grant+"&x="+strings.Repeat("x", 8<<10), 413, "8192"),
		{code: "method_not_allowed", method: "GET", at: "auth /v1/token", as: "nobody", status: 405, headers: []string{"Allow"}},
	}
}

// refusedFor is the promise for a single event that is refused.
func refusedFor(code, pointer, body string) promise {
	return promise{situation: allInvalid, code: code, pointer: pointer, body: body, status: 422}
}

// ofEvents are the promises about fields.
func ofEvents() []promise {
	id, other := soundWith(`"id":"x"`), soundWith(`"id":"x","data":{"other":true}`)
	return []promise{
		refusedFor("event.not_object", "", `["text"]`),
		refusedFor("field.missing", "/name", `{"session_id":"s","category":"c"}`),
		refusedFor("field.type", "/data", soundWith(`"data":[]`)),
		refusedFor("field.length", "/id", soundWith(`"id":"`+strings.Repeat("é", 129)+`"`)),
		refusedFor("field.unknown", "/colour", soundWith(`"colour":"red"`)),
		refusedFor("timestamp.format", "/timestamp", soundWith(`"timestamp":"yesterday"`)),
		refusedFor("timestamp.too_old", "/timestamp", soundWith(`"timestamp":"2001-01-01T00:00:00Z"`)),
		refusedFor("timestamp.in_future", "/timestamp", soundWith(`"timestamp":"`+time.Now().AddDate(1, 0, 0).UTC().Format(time.RFC3339)+`"`)),
		{situation: allInvalid, code: "request.rejected", body: times(soundWith(`"colour":"red"`), 2), status: 422},
		{code: "json.syntax", header: []string{"Content-Type", "application/x-ndjson"}, body: sound + "\n{\"session_id\"\n", status: 202, detail: "line 2", pointer: "/session_id"},
		{situation: allInvalid, code: "cloudevent.invalid", header: []string{"Content-Type", "application/cloudevents+json"}, body: `{"specversion":"0.3","id":"1","source":"/s","type":"c.n","sessionid":"s"}`, status: 422, pointer: "/specversion"},
		{code: "id.conflict", body: "[" + id + "," + other + "]", status: 202, pointer: "/id"},
		refusedFor("id.conflict", "/id", soundWith(`"id":"public:x"`)),
		{code: "request.strict", header: []string{"Prefer", "handling=strict"}, body: "[" + soundWith(`"colour":"red"`) + "," + sound + "]", status: 422},
	}
}

// ofJSON are the promises about values.
func ofJSON() []promise {
	within := func(value string) string { return soundWith(`"data":{"a":` + value + `}`) }
	var many strings.Builder
	for n := range 1001 {
		fmt.Fprintf(&many, `,"%d":0`, n)
	}
	promises := []promise{
		refusedFor("json.utf8", "/data/a", within("\"\xff\"")),
		refusedFor("json.nul", "/data/a", within(`"\u0000"`)),
		refusedFor("json.surrogate", "/data/a", within(`"\ud83d"`)),
		refusedFor("json.duplicate_key", "/data/a/b", within(`{"b":1,"b":2}`)),
		refusedFor("json.depth", "/data/a"+strings.Repeat("/0", 62), within(strings.Repeat("[", 70)+strings.Repeat("]", 70))),
		refusedFor("json.number", "/data/a", within("1e999")),
		refusedFor("json.keys", "/data/a", within("{"+many.String()[1:]+"}")),
		refusedFor("json.nul", "/data/a", within(`{"\u0000":1}`)),
	}
	for i := range promises {
		promises[i].detail = " at line 1, column "
	}
	return promises
}

// ofPolicies are the promises that an application's policy makes.
func ofPolicies() []promise {
	cart := func(code, pointer, name, data string) promise {
		p := refusedFor(code, pointer, `{"session_id":"s","category":"cart","name":"`+name+`","data":`+data+`}`)
		p.as = "declared"
		return p
	}
	return []promise{
		cart("type.unknown", "", "emptied", `{}`),
		cart("schema.mismatch", "/data", "added", `{"amount":1}`),
		cart("schema.too_costly", "/data", "costly", `{"a":[`+strings.Repeat("1,", 1000)+`1]}`),
		cart("schema.unavailable", "", "faulty", `{}`),
	}
}

// ofCounts are the promises that depend on how much came before.
func ofCounts() []promise {
	mistyped := []string{"Authorization", "Bearer x"} // which is refused without waiting for the application log
	limit := []string{"Retry-After", "RateLimit", "RateLimit-Policy"}
	return []promise{
		{situation: overRate, code: "rate.exceeded", as: "limited", body: sound, again: true, status: 429, headers: limit, detail: "1 events per second, 1 at once"},
		{situation: overRate, code: "rate.exceeded", as: "limited", body: times(sound, 3), again: true, status: 429, headers: limit},
		{situation: unknownKey, code: "credential.too_many_failures", as: "nobody", header: mistyped, body: sound, again: true, status: 429, headers: []string{"Retry-After"}},
		{code: "credential.too_many_failures", method: "GET", at: "persistence /v1/events", as: "nobody", header: mistyped, again: true, status: 429, headers: []string{"Retry-After"}},
		{code: "credential.too_many_failures", method: "GET", at: "auth /v1/applications", as: "nobody", header: mistyped, again: true, status: 429, headers: []string{"Retry-After"}},
	}
}
