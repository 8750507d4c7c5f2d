package persistence

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/api/registry"
)

// TestReplayJudgesAsTheDoorDoes: every reason for which an event may be refused today, and what is stored where none is.
func TestReplayJudgesAsTheDoorDoes(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	rules := book{shop: {
		EventTypes: []registry.EventType{
			{Category: "page", Name: "view", Schema: registry.Schema(strict)}, {Category: "page", Name: "faulty", SchemaUnavailable: true},
		},
		UnknownEvents: registry.RejectUnknown, Limits: &registry.Limits{MaxEventBytes: 200},
		Origins: []string{"https://shop.example.com"},
	}, blog: {Suspended: true}}
	r := f.replayer(f.store, rules)
	came := time.Now().UTC().Add(-6 * 24 * time.Hour)
	f.clocked(came)
	as := func(credential string, application uuid.UUID, original string) event.Sequence {
		request := f.request(application, refused(original, "field.unknown"))
		request.Credential = credential
		f.insert(request)
		return request.Sequence
	}
	with := func(members string) string {
		return `{"session_id":"s","category":"page","name":"view"` + members + `}`
	}
	stamp := func(d time.Duration) string { return event.FormatTimestamp(came.Add(d)) }
	for name, c := range map[string]struct {
		credential  string
		application uuid.UUID
		original    string
		want        string // outcome, code and pointer
	}{
		"good":                       {"1", shop, with(`,"id":"good"`), "stored"},
		"without an id":              {"1", shop, with(``), "stored"},
		"no JSON":                    {"1", shop, `{"session_id"`, "refused json.syntax /session_id"},
		"two values":                 {"1", shop, `{} {}`, "refused json.syntax"},
		"an array":                   {"1", shop, "[" + with("") + "]", "refused event.not_object"},
		"a NUL":                      {"1", shop, with(`,"data":{"path":"\u0000"}`), "refused json.nul /data/path"},
		"too large":                  {"1", shop, with(`,"data":{"path":"` + strings.Repeat("x", 200) + `"}`), "refused event.too_large"},
		"an unknown field":           {"1", shop, with(`,"colour":1`), "refused field.unknown /colour"},
		"a reserved id":              {"1", shop, with(`,"id":"public:x"`), "refused id.conflict /id"},
		"a public id":                {"", shop, with(`,"id":"x"`), "stored"},
		"undeclared":                 {"1", shop, `{"session_id":"s","category":"page","name":"none"}`, "refused type.unknown"},
		"of a faulty schema":         {"1", shop, `{"session_id":"s","category":"page","name":"faulty"}`, "refused schema.unavailable"},
		"against its schema":         {"1", shop, with(`,"data":{"path":1}`), "refused schema.mismatch /data/path"},
		"old when it came":           {"1", shop, with(`,"timestamp":"` + stamp(-8*24*time.Hour) + `"`), "refused timestamp.too_old /timestamp"},
		"old now, and not then":      {"1", shop, with(`,"id":"old","timestamp":"` + stamp(-6*24*time.Hour) + `"`), "stored"},
		"ahead when it came":         {"1", shop, with(`,"timestamp":"` + stamp(time.Hour) + `"`), "refused timestamp.in_future /timestamp"},
		"suspended":                  {"1", blog, with(``), "refused application.suspended"},
		"of an unknown application":  {"1", uuid.New(), with(``), "refused replay.no_application"},
		"with a clock that is wrong": {"1", shop, with(`,"id":"clock","timestamp":"` + stamp(-40*24*time.Hour) + `","sent_at":"` + stamp(-40*24*time.Hour) + `"`), "stored"},
	} {
		id := as(c.credential, c.application, c.original)
		dry, wet := f.one(r, id, true), f.one(r, id, false)
		told := strings.TrimSpace(strings.Join(append([]string{string(wet.Outcome), wet.Code}, wet.Pointers...), " "))
		if told = strings.Join(strings.Fields(told), " "); told != c.want {
			t.Errorf("%s: %s (%s), want %s", name, told, wet.Detail, c.want)
		}
		if dry.Outcome != wet.Outcome || dry.Code != wet.Code || dry.Detail != wet.Detail || !dry.DryRun || wet.DryRun {
			t.Errorf("%s: the dry run says %+v, and the replay %+v", name, dry, wet)
		}
		state, _, _ := strings.Cut(f.state(id), " ")
		if want := map[bool]string{true: stateReplayed, false: stateOpen}[c.want == "stored"]; state != want {
			t.Errorf("%s: the failure is %s", name, state)
		}
	}
	f.recounted("afterwards")
	f.same("what is stored", []string{"clock 1", "good 1", "old 1", "public:x "}, f.lines("SELECT id, credential FROM persistence.events WHERE id !~ '-' ORDER BY id"))
	f.same("of a wrong clock", 1, f.count("SELECT count(*) FROM persistence.events WHERE id = 'clock' AND client_timestamp IS NOT NULL AND occurred_at = received_at"))
	f.same("without an id", 1, f.count("SELECT count(*) FROM persistence.events WHERE id = sequence::text"))

	rules[shop] = registry.Policy{} // no origins
	page := as("", shop, with(`,"id":"later"`))
	if a := f.one(r, page, false); a.Code != "origin.forbidden" || a.Outcome != Refused {
		t.Errorf("a web page's event of an application without origins: %+v", a)
	}
}

// TestReplayKeepsIDs: an id that ingest gave is kept, in the form that it has for who sent it.
func TestReplayKeepsIDs(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := f.replayer(f.store, book{shop: {Origins: []string{"https://shop.example.com"}}})
	given := refused(`{"session_id":"s","category":"page","name":"view"}`, "type.unknown")
	given.ID = "from-a-key"
	f.one(r, f.refuse(shop, given)[0], false)
	given.ID = "public:from-a-key"
	page := f.request(shop, given)
	page.Credential = ""
	f.insert(page)
	f.one(r, page.Sequence, false)
	cloud := event.Item{
		Original: []byte(`{"specversion":"1.0","id":"7","source":"/s","type":"page.view","sessionid":"s","colour":"red"}`), Format: event.CloudEvent,
		Refusal: &event.Refusal{Code: event.CodeTypeUnknown},
	}
	f.one(r, f.refuse(shop, cloud)[0], false)
	f.same("stored", []string{"from-a-key <nil>", "public:from-a-key <nil>"}, f.lines("SELECT id, attributes->>'colour' FROM persistence.events WHERE credential = '' OR id = 'from-a-key' ORDER BY 1"))
	f.same("a CloudEvent", 1, f.count("SELECT count(*) FROM persistence.events WHERE attributes->>'colour' = 'red' AND category = 'page' AND name = 'view'"))
}
