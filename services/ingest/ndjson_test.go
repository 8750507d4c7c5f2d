package ingest_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/api/registry"
)

func lines() map[string]contract {
	ndjson := func(body string, verdicts ...string) contract {
		return contract{header: []string{"Content-Type", "application/x-ndjson"}, body: body, status: 202, verdicts: verdicts, appended: verdicts}
	}
	media := func(name string) contract {
		c := ndjson(good+"\n"+good, "accepted", "accepted")
		c.header = []string{"Content-Type", name}
		return c
	}
	refused := func(body, code, detail string, status int) contract {
		c := ndjson(body)
		c.code, c.detail, c.status = code, detail, status
		return c
	}
	small := ndjson(good+"\n"+strings.Repeat("x", 301)+"\n"+good, "accepted", "event.too_large", "accepted")
	small.policy = registry.Policy{Limits: &registry.Limits{MaxEventBytes: 300}}
	strict := ndjson(good+"\nx\n"+good, "request.strict", "json.syntax", "request.strict")
	strict.header = append(strict.header, "Prefer", "handling=strict")
	strict.status, strict.code, strict.appended = 422, "request.rejected", []string{"json.syntax"}
	faulty := ndjson("{\n}", "json.syntax", "json.syntax")
	faulty.status, faulty.code = 422, "request.rejected"
	packed := ndjson(gz(good+"\n"+good+"\n"), "accepted", "accepted")
	packed.header = append(packed.header, "Content-Encoding", "gzip")
	chunked := ndjson(good+"\n"+good, "accepted", "accepted")
	chunked.chunked = true
	return map[string]contract{
		"x-ndjson":              media("application/x-ndjson"),
		"ndjson":                media("application/ndjson; charset=utf-8"),
		"jsonl":                 media("application/jsonl"),
		"jsonlines":             media("application/jsonlines"),
		"x-jsonlines":           media("Application/X-JSONLines"),
		"Latin-1":               {header: []string{"Content-Type", "application/x-ndjson; charset=latin1"}, body: good, status: 415, code: "request.media_type", detail: "application/x-ndjson"},
		"one":                   ndjson(good, "accepted"),
		"CRLF and blank lines":  ndjson("\r\n"+good+"\r\n\n"+good+"\r\n", "accepted", "accepted"),
		"chunked":               chunked,
		"compressed":            packed,
		"faulty among others":   ndjson(good+"\n{\n"+unknown+"\n\n"+good, "accepted", "json.syntax", "field.unknown/colour", "accepted"),
		"truncated at the end":  ndjson(good+"\n"+good[:20], "accepted", "json.syntax"),
		"array on a line":       ndjson("["+good+"]\n"+good, "event.not_object", "accepted"),
		"same id, other events": ndjson(with(`"id":"x"`)+"\n"+with(`"id":"x","data":{}`), "accepted", "id.conflict/id"),
		"too large among":       small,
		"strict":                strict,
		"all faulty":            faulty,
		"as many as allowed":    ndjson(strings.Repeat(good+"\n", event.MaxEvents), accepted(event.MaxEvents)...),
		"too many":              refused(strings.Repeat(good+"\n", event.MaxEvents+1), "request.too_many_events", "5000", 413),
		"too large":             refused(strings.Repeat(" ", event.MaxRequestBytes)+good, "request.too_large", "4194304", 413),
		"nothing":               refused("", "request.no_events", "", 400),
		"only blank lines":      refused("\n \r\n", "request.no_events", "", 400),
	}
}

func TestLines(t *testing.T) {
	t.Parallel()
	newDoor(t).keeps(t, lines())
}

// TestLinesAreTold: a verdict and the record of it say where the line stands, blank ones counted.
func TestLinesAreTold(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	a := d.register(nextUID(), registry.Policy{})
	body := "\n" + good + "\n\n {\"a\" 1} \r\n" + unknown
	got := d.send(http.MethodPost, "/v1/events", strings.NewReader(body), "Authorization", "Bearer "+a.key, "Content-Type", "application/x-ndjson")
	if got.status != http.StatusAccepted {
		t.Fatalf("answered %d %s", got.status, got.body)
	}
	var told, recorded, originals []string
	for _, v := range got.Events {
		told = append(told, v.Detail)
	}
	for _, item := range d.appended(a.UID)[0].Items[1:] {
		recorded, originals = append(recorded, item.Refusal.Detail), append(originals, string(item.Original))
	}
	want := []string{
		"line 4: expected ':' after a member name, found '1' at column 7",
		`line 5: unknown field "colour"; known are id, session_id, category, name, data, timestamp, sent_at`,
	}
	if diff := cmp.Diff(want, told[1:]); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, recorded); diff != "" {
		t.Errorf("recorded (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{`{"a" 1}`, unknown}, originals); diff != "" {
		t.Errorf("originals (-want +got):\n%s", diff)
	}
}
