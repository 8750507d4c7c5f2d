package ingest_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/api/registry"
)

const (
	good    = `{"session_id":"s","category":"page interaction","name":"pageview"}`
	unknown = `{"session_id":"s","category":"c","name":"n","colour":"red"}`
)

// with is a good event with further members.
func with(members string) string { return good[:len(good)-1] + "," + members + "}" }

func named(field, value string) string {
	fields := map[string]string{"session_id": "s", "category": "c", "name": "n"}
	fields[field] = value
	return fmt.Sprintf(`{"session_id":%q,"category":%q,"name":%q}`, fields["session_id"], fields["category"], fields["name"])
}

func repeat(event string, n int) string { return "[" + strings.Repeat(event+",", n-1) + event + "]" }

// padded is an event of exactly n bytes.
func padded(n int) string {
	empty := with(`"data":{"a":""}`)
	return with(`"data":{"a":"` + strings.Repeat("x", n-len(empty)) + `"}`)
}

// contract is one line of what the door promises.
type contract struct {
	policy   registry.Policy
	header   []string // pairs of name and value, beside the credential and the media type
	body     string
	chunked  bool
	status   int
	code     string   // of the problem document
	detail   string   // what its detail contains
	verdicts []string // "accepted", or code and pointer; nil for none
	appended []string // nil for nothing at all
}

func accepted(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = "accepted"
	}
	return all
}

// refusal is a request of one event that is refused and recorded.
func refusal(body, code string) contract {
	return contract{body: body, status: 422, code: "request.rejected", verdicts: []string{code}, appended: []string{code}}
}

func one(body string) contract {
	return contract{body: body, status: 202, verdicts: accepted(1), appended: accepted(1)}
}

// declaring is a policy with a schema for the type of good.
func declaring(schema string) registry.Policy {
	return registry.Policy{EventTypes: []registry.EventType{
		{Category: "page interaction", Name: "pageview", Schema: registry.Schema(schema)},
	}}
}

func contracts() map[string]contract {
	const limit = 300
	small := registry.Policy{Limits: &registry.Limits{MaxEventBytes: limit}}
	strict := []string{"Prefer", "handling=strict"}
	mixed := "[" + good + "," + unknown + "," + good + "]"
	now := time.Now().UTC()
	stamp := func(d time.Duration) string { return with(`"timestamp":"` + now.Add(d).Format(time.RFC3339Nano) + `"`) }
	hour := registry.Duration(time.Hour)
	narrow := registry.Policy{Timestamps: &registry.Timestamps{MaxAge: &hour, MaxFuture: &hour}}
	declared := declaring(`{"type":"object"}`)
	declared.EventTypes = append(declared.EventTypes, registry.EventType{Category: "cart", Name: "added", SchemaUnavailable: true})
	checked := declaring(`{"required":["path"],"properties":{"n":{"items":{"type":"integer"}}}}`)
	costly := declaring(`{"additionalProperties":{"items":{"allOf":[true` + strings.Repeat(",true", 500) + `]}}}`)
	mismatched := with(`"data":{"path":"/","n":[1,"2"]}`)
	closed := registry.Policy{UnknownEvents: registry.RejectUnknown, EventTypes: declared.EventTypes[:1]}
	faulty := strings.NewReplacer("page interaction", "cart", "pageview", "added").Replace(good)
	timed := func(policy registry.Policy, body, code string) contract {
		c := refusal(body, code)
		if code == "" {
			c = one(body)
		}
		c.policy = policy
		return c
	}
	return map[string]contract{
		"single":                 one(good),
		"single in white space":  one(" \r\n\t" + good + "\n"),
		"array":                  {body: repeat(good, 3), status: 202, verdicts: accepted(3), appended: accepted(3)},
		"array of one":           {body: "[ " + good + " ]", status: 202, verdicts: accepted(1), appended: accepted(1)},
		"as many as allowed":     {body: repeat(good, 5000), status: 202, verdicts: accepted(5000), appended: accepted(5000)},
		"as large as allowed":    one(good + strings.Repeat(" ", event.MaxRequestBytes-len(good))),
		"chunked":                {body: repeat(good, 2), chunked: true, status: 202, verdicts: accepted(2), appended: accepted(2)},
		"charset parameter":      {header: []string{"Content-Type", "Application/JSON; charset=UTF-8"}, body: good, status: 202, verdicts: accepted(1), appended: accepted(1)},
		"no media type":          {header: []string{"Content-Type", ""}, body: good, status: 202, verdicts: accepted(1), appended: accepted(1)},
		"data":                   one(with(`"data":{"a":[1.10,{"b":"<>&é😀"}],"c":null}`)),
		"everything":             one(with(`"id":"x","data":{},"timestamp":"` + now.Format("2006-01-02 15:04:05") + `","sent_at":"` + now.Format(time.RFC3339) + `"`)),
		"escaped member name":    one(`{"session\u005fid":"s","category":"c","name":"n"}`),
		"empty array":            {body: "[]", status: 400, code: "request.no_events"},
		"empty body":             {body: "", status: 400, code: "request.no_events"},
		"only white space":       {body: " \n", status: 400, code: "request.no_events"},
		"byte order mark":        {body: "\uFEFF" + good, status: 400, code: "request.malformed", detail: "byte order mark"},
		"truncated":              {body: good[:len(good)-1], status: 400, code: "request.malformed", detail: fmt.Sprintf("line 1, column %d", len(good))},
		"truncated array":        {body: "[\n" + good + ",\n" + good, status: 400, code: "request.malformed", detail: fmt.Sprintf("line 3, column %d", len(good)+1)},
		"text after":             {body: good + " x", status: 400, code: "request.malformed", detail: "text after the end"},
		"two values":             {body: good + "\n" + good, status: 400, code: "request.malformed", detail: "line 2, column 1"},
		"no JSON":                {body: "session_id=s", status: 400, code: "request.malformed", detail: "column 1"},
		"comma at the end":       {body: "[" + good + ",]", status: 400, code: "request.malformed", detail: "column"},
		"form":                   {header: []string{"Content-Type", "application/x-www-form-urlencoded"}, body: good, status: 415, code: "request.media_type", detail: "application/json"},
		"media type of no form":  {header: []string{"Content-Type", "json;;"}, body: good, status: 415, code: "request.media_type"},
		"too large":              {body: good + strings.Repeat(" ", event.MaxRequestBytes), status: 413, code: "request.too_large", detail: "4194304"},
		"too large, chunked":     {body: good + strings.Repeat(" ", event.MaxRequestBytes), chunked: true, status: 413, code: "request.too_large", detail: "4194304"},
		"too many":               {body: repeat(good, 5001), status: 413, code: "request.too_many_events", detail: "5000"},
		"empty idempotency key":  {header: []string{"Idempotency-Key", ""}, body: good, status: 400, code: "request.parameter", detail: "empty"},
		"two idempotency keys":   {header: []string{"Idempotency-Key", "a", "Idempotency-Key", "b"}, body: good, status: 400, code: "request.parameter", detail: "more than once"},
		"long idempotency key":   {header: []string{"Idempotency-Key", strings.Repeat("k", 256)}, body: good, status: 400, code: "request.parameter", detail: "255"},
		"event at its limit":     {policy: small, body: padded(limit), status: 202, verdicts: accepted(1), appended: accepted(1)},
		"event above its limit":  {policy: small, body: padded(limit + 1), status: 413, code: "event.too_large", detail: "300", verdicts: []string{"event.too_large"}, appended: []string{"event.too_large"}},
		"one of three too large": {policy: small, body: "[" + good + "," + padded(limit+1) + "," + good + "]", status: 202, verdicts: []string{"accepted", "event.too_large", "accepted"}, appended: []string{"accepted", "event.too_large", "accepted"}},
		"all too large":          {policy: small, body: repeat(padded(limit+1), 2), status: 413, code: "event.too_large", verdicts: []string{"event.too_large", "event.too_large"}, appended: []string{"event.too_large", "event.too_large"}},
		"too large and invalid":  {policy: small, body: "[" + padded(limit+1) + "," + unknown + "]", status: 422, code: "request.rejected", verdicts: []string{"event.too_large", "field.unknown/colour"}, appended: []string{"event.too_large", "field.unknown/colour"}},
		"above the global limit": {body: padded(event.MaxEventBytes + 1), status: 413, code: "event.too_large", verdicts: []string{"event.too_large"}, appended: []string{"event.too_large"}},
		"mixed":                  {body: mixed, status: 202, verdicts: []string{"accepted", "field.unknown/colour", "accepted"}, appended: []string{"accepted", "field.unknown/colour", "accepted"}},
		"all invalid":            {body: "[" + unknown + ",1]", status: 422, code: "request.rejected", verdicts: []string{"field.unknown/colour", "event.not_object"}, appended: []string{"field.unknown/colour", "event.not_object"}},
		"strict, mixed":          {header: strict, body: mixed, status: 422, code: "request.rejected", verdicts: []string{"request.strict", "field.unknown/colour", "request.strict"}, appended: []string{"field.unknown/colour"}},
		"strict, valid":          {header: strict, body: repeat(good, 2), status: 202, verdicts: accepted(2), appended: accepted(2)},
		"strict among others":    {header: []string{"Prefer", `respond-async, Handling = "strict" ; foo="some, value"`}, body: mixed, status: 422, code: "request.rejected", verdicts: []string{"request.strict", "field.unknown/colour", "request.strict"}, appended: []string{"field.unknown/colour"}},
		"strict after lenient":   {header: []string{"Prefer", "handling=lenient", "Prefer", "handling=strict"}, body: mixed, status: 202, verdicts: []string{"accepted", "field.unknown/colour", "accepted"}, appended: []string{"accepted", "field.unknown/colour", "accepted"}},
		"other preferences":      {header: []string{"Prefer", "return=minimal"}, body: mixed, status: 202, verdicts: []string{"accepted", "field.unknown/colour", "accepted"}, appended: []string{"accepted", "field.unknown/colour", "accepted"}},

		"string":              refusal(`"x"`, "event.not_object"),
		"null":                refusal(`null`, "event.not_object"),
		"array in array":      refusal(`[[`+good+`]]`, "event.not_object"),
		"unknown field":       refusal(unknown, "field.unknown/colour"),
		"wrong case":          refusal(with(`"Data":{}`), "field.unknown/Data"),
		"odd field name":      refusal(with(`"a/b~c":1`), "field.unknown/a~1b~0c"),
		"no session":          refusal(`{"category":"c","name":"n"}`, "field.missing/session_id"),
		"no category":         refusal(`{"session_id":"s","name":"n"}`, "field.missing/category"),
		"no name":             refusal(`{"session_id":"s","category":"c"}`, "field.missing/name"),
		"session of a number": refusal(`{"session_id":1,"category":"c","name":"n"}`, "field.type/session_id"),
		"session null":        refusal(`{"session_id":null,"category":"c","name":"n"}`, "field.type/session_id"),
		"data of an array":    refusal(with(`"data":[]`), "field.type/data"),
		"data null":           refusal(with(`"data":null`), "field.type/data"),
		"timestamp a number":  refusal(with(`"timestamp":1700000000`), "field.type/timestamp"),
		"id a number":         refusal(with(`"id":1`), "field.type/id"),
		"empty id":            refusal(with(`"id":""`), "field.length/id"),
		"empty name":          refusal(named("name", ""), "field.length/name"),
		"128 characters":      one(named("name", strings.Repeat("é", 128))),
		"129 characters":      refusal(named("name", strings.Repeat("é", 129)), "field.length/name"),
		"128 of four bytes":   one(named("session_id", strings.Repeat("😀", 128))),
		"129 of four bytes":   refusal(named("category", strings.Repeat("😀", 129)), "field.length/category"),
		"128 escaped":         one(`{"session_id":"` + strings.Repeat(`\ud83d\ude00`, 128) + `","category":"c","name":"n"}`),
		"duplicate key":       refusal(with(`"data":{"a":{"b":1,"b":2}}`), "json.duplicate_key/data/a/b"),
		"NUL":                 refusal(with(`"data":{"a":"\u0000"}`), "json.nul/data/a"),
		"lone surrogate":      refusal(with(`"data":{"a":["x","\ud800"]}`), "json.surrogate/data/a/1"),
		"no UTF-8":            refusal(with(`"data":{"a":"`+"\xff"+`"}`), "json.utf8/data/a"),
		"too deep":            refusal(with(`"data":{"a":`+strings.Repeat("[", 100)+strings.Repeat("]", 100)+`}`), "json.depth/data/a"+strings.Repeat("/0", 62)),
		"number too large":    refusal(with(`"data":{"a":1e100000}`), "json.number/data/a"),

		"now":                      one(stamp(0)),
		"timestamp with a space":   one(with(`"timestamp":"` + now.Format("2006-01-02 15:04:05.000000") + `"`)),
		"timestamp in an offset":   one(with(`"timestamp":"` + now.In(time.FixedZone("", 5*3600+1800)).Format(time.RFC3339) + `"`)),
		"timestamp of no form":     refusal(with(`"timestamp":"yesterday"`), "timestamp.format/timestamp"),
		"timestamp without a zone": refusal(with(`"timestamp":"2024-01-02T03:04:05"`), "timestamp.format/timestamp"),
		"sent_at of no form":       refusal(with(`"sent_at":"12:00"`), "timestamp.format/sent_at"),
		"sent_at a number":         refusal(with(`"sent_at":1700000000`), "field.type/sent_at"),
		"no leap second":           refusal(with(`"timestamp":"2016-12-31T12:59:60Z"`), "timestamp.format/timestamp"),
		"a leap second, too old":   refusal(with(`"timestamp":"2016-12-31T23:59:60Z"`), "timestamp.too_old/timestamp"),
		"a leap second, corrected": one(with(`"timestamp":"2016-12-31T23:59:60Z","sent_at":"2017-01-01T00:00:00Z"`)),
		"a clock far behind":       one(with(`"timestamp":"1970-01-01T00:00:10Z","sent_at":"1970-01-01T00:00:12Z"`)),
		"a clock far ahead":        one(with(`"timestamp":"2099-01-01T00:00:10Z","sent_at":"2099-01-01T00:00:12Z"`)),
		"too old for any clock":    refusal(with(`"timestamp":"2098-01-01T00:00:10Z","sent_at":"2099-01-01T00:00:12Z"`), "timestamp.too_old/timestamp"),
		"too early for any clock":  refusal(with(`"timestamp":"1970-01-01T00:10:00Z","sent_at":"1970-01-01T00:00:12Z"`), "timestamp.in_future/timestamp"),
		"almost too old":           one(stamp(-7*24*time.Hour + 10*time.Minute)), // check's tests are exact: here the run takes its time
		"too old":                  refusal(stamp(-7*24*time.Hour-time.Minute), "timestamp.too_old/timestamp"),
		"ancient":                  refusal(with(`"timestamp":"0001-01-01T00:00:01Z"`), "timestamp.too_old/timestamp"),
		"almost too early":         one(stamp(4 * time.Minute)),
		"too early":                refusal(stamp(15*time.Minute), "timestamp.in_future/timestamp"),
		"far in the future":        refusal(with(`"timestamp":"9999-12-31T23:59:59Z"`), "timestamp.in_future/timestamp"),
		"old by its policy":        timed(narrow, stamp(-2*time.Hour), "timestamp.too_old/timestamp"),
		"early by its policy":      timed(narrow, stamp(50*time.Minute), ""),

		"schema never good":               {policy: declared, body: faulty, status: 422, code: "request.rejected", verdicts: []string{"schema.unavailable"}, appended: []string{"schema.unavailable"}},
		"schema never good, among others": {policy: declared, body: "[" + good + "," + faulty + "," + named("category", "cart") + "]", status: 202, verdicts: []string{"accepted", "schema.unavailable", "accepted"}, appended: []string{"accepted", "schema.unavailable", "accepted"}},

		"schema kept":                   {policy: checked, body: with(`"data":{"path":"/","n":[1,2]}`), status: 202, verdicts: accepted(1), appended: accepted(1)},
		"schema not kept":               {policy: checked, body: mismatched, status: 422, code: "request.rejected", verdicts: []string{"schema.mismatch/data/n/1"}, appended: []string{"schema.mismatch/data/n/1"}},
		"schema without data":           {policy: checked, body: good, status: 422, code: "request.rejected", verdicts: []string{"schema.mismatch/data"}, appended: []string{"schema.mismatch/data"}},
		"schema not kept, among others": {policy: checked, body: "[" + mismatched + "," + faulty + "," + with(`"data":{"path":"/"}`) + "]", status: 202, verdicts: []string{"schema.mismatch/data/n/1", "accepted", "accepted"}, appended: []string{"schema.mismatch/data/n/1", "accepted", "accepted"}},
		"schema too costly":             {policy: costly, body: with(`"data":{"a":[` + strings.Repeat("1,", 1000) + `1]}`), status: 422, code: "request.rejected", verdicts: []string{"schema.too_costly/data"}, appended: []string{"schema.too_costly/data"}},

		"type unknown":               {policy: closed, body: faulty, status: 422, code: "request.rejected", verdicts: []string{"type.unknown"}, appended: []string{"type.unknown"}},
		"type unknown, among others": {policy: closed, body: "[" + faulty + "," + good + "]", status: 202, verdicts: []string{"type.unknown", "accepted"}, appended: []string{"type.unknown", "accepted"}},

		"id used twice":         {body: "[" + with(`"id":"x"`) + "," + with(`"id":"x","data":{}`) + "]", status: 202, verdicts: []string{"accepted", "id.conflict/id"}, appended: []string{"accepted", "id.conflict/id"}},
		"id used again":         {body: "[" + with(`"id":"x","data":{"a":1,"b":2}`) + "," + with(`"data":{"b":2.0,"a":1e0},"id":"x"`) + "]", status: 202, verdicts: accepted(2), appended: accepted(2)},
		"id three times":        {body: "[" + with(`"id":"x"`) + "," + with(`"id":"x","data":{}`) + "," + with(`"id":"x"`) + "]", status: 202, verdicts: []string{"accepted", "id.conflict/id", "accepted"}, appended: []string{"accepted", "id.conflict/id", "accepted"}},
		"id of a refused event": {body: "[" + with(`"id":"x","colour":1`) + "," + with(`"id":"x"`) + "]", status: 202, verdicts: []string{"field.unknown/colour", "accepted"}, appended: []string{"field.unknown/colour", "accepted"}},
	}
}

func TestContract(t *testing.T) {
	t.Parallel()
	newDoor(t).keeps(t, contracts())
}

// keeps runs contracts, each with an application of its own.
func (d *door) keeps(t *testing.T, contracts map[string]contract) {
	t.Helper()
	for name, c := range contracts {
		a := d.register(nextUID(), c.policy)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := &door{T: t, client: d.client, url: d.url}
			var body io.Reader = strings.NewReader(c.body)
			if c.chunked {
				body = struct{ io.Reader }{body}
			}
			header := []string{"Authorization", "Bearer " + a.key}
			if len(c.header) == 0 || c.header[0] != "Content-Type" {
				header = append(header, "Content-Type", "application/json")
			}
			for i := 0; i < len(c.header); i += 2 {
				if c.header[i+1] != "" || c.header[i] != "Content-Type" { // which is left out so
					header = append(header, c.header[i], c.header[i+1])
				}
			}
			before := time.Now().UTC().Truncate(time.Microsecond)
			got := d.send(http.MethodPost, "/v1/events", body, header...)
			checkAnswer(t, c, got)
			requests := d.appended(a.UID)
			if diff := cmp.Diff(c.appended, items(requests)); diff != "" {
				t.Errorf("appended (-want +got):\n%s", diff)
			}
			for _, r := range requests {
				checkRequest(t, a, r, before)
			}
		})
	}
}

func checkAnswer(t *testing.T, c contract, got answer) {
	t.Helper()
	if got.status != c.status || got.Code != c.code || !strings.Contains(got.Detail, c.detail) {
		t.Fatalf("answered %d %s %q, want %d %s %q", got.status, got.Code, got.Detail, c.status, c.code, c.detail)
	}
	if diff := cmp.Diff(c.verdicts, got.verdicts()); diff != "" {
		t.Errorf("verdicts (-want +got):\n%s", diff)
	}
	acceptedCount := 0
	for _, v := range got.Events {
		if v.Status == "accepted" {
			acceptedCount++
			if v.ID == "" {
				t.Error("an accepted event has no id")
			}
		} else if v.Detail == "" {
			t.Errorf("%s has no detail", v.Code)
		}
	}
	if got.Accepted != acceptedCount || got.Rejected != len(got.Events)-acceptedCount {
		t.Errorf("%d accepted and %d rejected of %v", got.Accepted, got.Rejected, got.verdicts())
	}
	media := "application/problem+json"
	if c.status == http.StatusAccepted {
		media = "application/json"
	} else if got.Status != c.status || got.Title == "" || !strings.HasSuffix(got.Type, "#"+c.code) {
		t.Errorf("problem document %s", got.body)
	}
	if got.header.Get("Content-Type") != media {
		t.Errorf("media type %q", got.header.Get("Content-Type"))
	}
}

// checkRequest holds what was appended against what every request promises.
func checkRequest(t *testing.T, a application, r event.Request, before time.Time) {
	t.Helper()
	if r.Credential != "1" || r.ReceivedAt.Before(before) || r.ReceivedAt.After(time.Now()) {
		t.Errorf("credential %q, received at %s", r.Credential, r.ReceivedAt)
	}
	if r.Sequence.Version() != 7 || r.Application != a.UID {
		t.Errorf("sequence %s, application %s", r.Sequence, r.Application)
	}
	for _, item := range r.Items {
		if (item.Refusal == nil) == item.OccurredAt.IsZero() || len(item.Original) == 0 {
			t.Errorf("item %+v", item)
		}
		if item.Refusal != nil && item.Refusal.Detail == "" {
			t.Errorf("refusal %+v", item.Refusal)
		}
	}
}
