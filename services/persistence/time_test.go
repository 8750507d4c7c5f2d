package persistence

import (
	"fmt"
	"testing"
	"time"

	"github.com/theeye-dev/theeye/api/event"
)

// TestClientTimestamp: where ingest has corrected a timestamp, what the client sent is kept beside it, and reads show it;
// an event that is delivered or sent once more is the same.
func TestClientTimestamp(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	sent := time.Now().UTC().Truncate(time.Microsecond).Add(-3 * time.Hour)
	stamped := func(id string, occurred time.Time) event.Item {
		return at(item(id, "s", `"timestamp":"`+event.FormatTimestamp(sent)+`","sent_at":"2026-01-01T00:00:00Z"`), occurred)
	}
	corrected := sent.Add(2 * time.Hour)
	first := f.request(shop, stamped("wrong", corrected), stamped("right", sent), item("none", "s", ""))
	f.same("outcomes", Outcomes{Stored: 3}, f.insert(first))
	f.same("redelivered", Outcomes{Redelivered: 3}, f.insert(first))
	f.same("sent again, corrected anew", Outcomes{Duplicate: 1}, f.insert(f.request(shop, stamped("wrong", corrected.Add(time.Second)))))

	page, err := f.store.Events(t.Context(), Query{Application: shop, Limit: 10})
	f.must(err)
	var events []string
	for _, e := range page.Events {
		if e.ID != "none" {
			events = append(events, fmt.Sprint(e.ID, " ", e.Timestamp, " ", e.ClientTimestamp))
		} else if e.ClientTimestamp != "" {
			t.Errorf("without a timestamp the client's is %s", e.ClientTimestamp)
		}
	}
	f.same("events", []string{
		"wrong " + event.FormatTimestamp(corrected) + " " + event.FormatTimestamp(sent),
		"right " + event.FormatTimestamp(sent) + " ",
	}, events)
}
