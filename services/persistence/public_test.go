package persistence

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/theeye-dev/theeye/api/event"
)

// TestPublicIsShown: what came with a client id alone reads as public, an event as well as a failure, and has no
// credential; what came with one is not, and neither is what cannot be told to be anybody's.
func TestPublicIsShown(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	page, app := l.request(shop, item("page", "s", ""), refused("{", "field.type")), l.request(shop, item("app", "s", ""), refused("[", "field.type"))
	page.Credential = ""
	unknown := l.entry()
	unknown.Batch = []byte("no batch")
	l.storeEntries(l.entry(page, app), unknown)
	var answer struct {
		Events, Failures []struct {
			ID, Original string
			Credential   *string
			Public       *bool
		}
	}
	got := map[string]string{}
	for _, path := range []string{"/v1/events", "/v1/failures"} {
		status, body := l.raw(l.url, adminToken, path)
		if status != http.StatusOK {
			t.Fatalf("%s answered %d %s", path, status, body)
		}
		l.must(json.Unmarshal(body, &answer))
	}
	tell := func(name string, credential *string, public *bool) {
		got[name] = fmt.Sprint(credential != nil, public != nil)
	}
	for _, e := range answer.Events {
		tell(e.ID, e.Credential, e.Public)
	}
	for _, f := range answer.Failures {
		tell(f.Original, f.Credential, f.Public)
	}
	l.same("credential and public", map[string]string{
		"public:page": "false true", "app": "true false", "{": "false true", "[": "true false", "no batch": "false false",
	}, got)
}

// TestPublicIDsAreApart: whoever sends an application's next ids as a web page takes none of them.
func TestPublicIDsAreApart(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	page := f.request(shop, item("order-1", "s", `"data":{"forged":true}`), event.Item{ID: "public:key-1", Original: []byte(`{"session_id":"s","category":"page","name":"view"}`)})
	page.Credential = ""
	f.same("from a page", Outcomes{Stored: 2}, f.insert(page))
	f.same("from the application", Outcomes{Stored: 1}, f.insert(f.request(shop, item("order-1", "s", ""))))
	again := page
	again.Sequence, again.ReceivedAt = f.sequencer.Next(2)
	f.same("from a page again", Outcomes{Duplicate: 2}, f.insert(again))
	f.same("ids", []string{"order-1 1", "public:key-1 ", "public:order-1 "}, f.lines("SELECT id, credential FROM persistence.events ORDER BY id"))
}

// TestPublicHistory: the longest id of a page is asked for as it is stored, and without what is before it is none.
func TestPublicHistory(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	id := strings.Repeat("i", event.MaxNameChars)
	page := l.request(shop, item(id, "s", ""))
	page.Credential = ""
	l.insert(page)
	var h History
	l.get(shop, "/v1/events/"+event.PublicID(id), &h)
	if h.ID != event.PublicID(id) || h.Event == nil || !h.Event.Public || h.Event.ID != h.ID {
		t.Errorf("history %+v", h)
	}
	if status, body := l.raw(l.url, l.token(shop), "/v1/events/"+id); status != http.StatusNotFound {
		t.Errorf("of the application's own: %d %s", status, body)
	}
}
