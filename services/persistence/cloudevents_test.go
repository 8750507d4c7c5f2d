package persistence

import (
	"fmt"
	"testing"

	"github.com/theeye-dev/theeye/api/event"
)

// cloudItem is an accepted CloudEvent of /shop; members come after those that are required.
func cloudItem(id, members string) event.Item {
	if members != "" {
		members = "," + members
	}
	return event.Item{Format: event.CloudEvent, Original: fmt.Appendf(nil,
		`{"specversion":"1.0","id":%q,"source":"/shop","type":"com.example.page.view","sessionid":"s1"%s}`, id, members)}
}

// TestCloudEvents: a CloudEvent becomes an event that keeps its other attributes, once, beside native ones.
func TestCloudEvents(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	refusedCloud := cloudItem("4", `"data":[]`)
	refusedCloud.Refusal = &event.Refusal{Code: event.CodeType, Detail: "why", Pointer: "/data"}
	later := cloudItem("5", "")
	later.Format = 9
	first := f.request(shop,
		cloudItem("1", `"subject":"é","n":7,"b":true,"data":{"a":1}`),
		cloudItem("2", `"Later":{"x":[1.5]}`), // what a newer release may let in
		cloudItem("1", `"subject":"other","data":{"a":1.0}`),
		cloudItem("1", `"data":{"a":2}`),
		item(event.CloudEventID("/shop", "3"), "s1", ""),
		cloudItem("3", ""), // the id of a native event, and other content
		refusedCloud, later,
	)
	want := Outcomes{Stored: 3, Duplicate: 1, Conflict: 2, Refused: 1, Failed: 1}
	f.same("outcomes", want, f.insert(first))
	before := f.tables()
	f.same("redelivered", Outcomes{Redelivered: 8}, f.insert(first))
	f.same("tables after redelivery", before, f.tables())
	f.same("sent again", Outcomes{Duplicate: 1}, f.insert(f.request(shop, cloudItem("1", `"data":{"a":1}`))))

	page, err := f.store.Events(t.Context(), Query{Application: shop, SessionID: "s1", Limit: 10})
	f.must(err)
	var events []string
	for _, e := range page.Events {
		events = append(events, fmt.Sprintf("%s %s|%s %s %s", e.ID, e.Category, e.Name, e.Data, e.Attributes))
	}
	f.same("events", []string{
		event.CloudEventID("/shop", "1") + ` com.example.page|view {"a": 1} {"b": true, "n": 7, "id": "1", "source": "/shop", "subject": "é"}`,
		event.CloudEventID("/shop", "2") + ` com.example.page|view  {"id": "2", "Later": {"x": [1.5]}, "source": "/shop"}`,
		event.CloudEventID("/shop", "3") + ` page|view  `,
	}, events)
	failures, err := f.store.Failures(t.Context(), Query{Application: shop, Limit: 10})
	f.must(err)
	var failed []string
	for _, l := range failures.Failures {
		failed = append(failed, fmt.Sprintf("%s %s|%s %s", l.Code, l.EventID, l.Format, *l.Original))
	}
	id := func(n string) string { return event.CloudEventID("/shop", n) }
	f.same("failures", []string{
		"store.undecodable " + event.Nth(first.Sequence, 7).String() + "|format 9 " + string(later.Original),
		"field.type " + id("4") + "|cloudevents " + string(refusedCloud.Original),
		"id.conflict " + id("3") + "|cloudevents " + string(first.Items[5].Original),
		"id.conflict " + id("1") + "|cloudevents " + string(first.Items[3].Original),
	}, failed)
}

// TestNativeHasNoFormat: what is shown of native events stays as it was.
func TestNativeHasNoFormat(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.insert(f.request(shop, item("x", "s", ""), refused(`{}`, "field.missing")))
	f.same("events", []string{"true"}, f.lines("SELECT attributes IS NULL FROM persistence.events"))
	f.same("failures", []string{"native"}, f.lines("SELECT format FROM persistence.failures"))
	failures, err := f.store.Failures(t.Context(), Query{Application: shop, Limit: 1})
	f.must(err)
	f.same("format", "", failures.Failures[0].Format)
}
