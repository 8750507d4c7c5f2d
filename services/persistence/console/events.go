package console

import (
	"net/http"
	"net/url"

	"github.com/theeye-dev/theeye/services/persistence"
)

// rowsPerPage of events, sessions and failures: a few screens.
const rowsPerPage = "50"

// eventFields are the parameters of the search beside conditions on data.
func eventFields() []string {
	return []string{"session_id", "application", "category", "name", "from", "to", "order", "cursor", "limit"}
}

// eventList is the page of the search.
type eventList struct {
	Filter filter
	Who    *access
	persistence.EventPage
	Partial bool `json:"partial"`
	Refuse  *refusal
	Next    string // link to the next page; "": this is the last
}

func (c *Console) events(v *visit) error {
	given := v.r.URL.Query()
	f := filtered(given, eventFields()...)
	f.conditions(given)
	if f.partial { // an address that can be shared says what it means, and no more
		return v.redirect(f.Link("/events"))
	}
	list := eventList{Filter: f, Who: v.who}
	if err := v.ask("/v1/events", f.asked("limit", rowsPerPage), &list, &list.Refuse); err != nil {
		return err
	}
	if list.NextCursor != "" {
		list.Next = f.Link("/events", "cursor", list.NextCursor)
	}
	if v.fragment() {
		return v.part("events", "event-rows", list)
	}
	return v.show(http.StatusOK, "events", "events", "Events", list)
}

// ask reads an answer. What is wrong with the question itself is shown beside the form, which can be mended.
func (v *visit) ask(path string, query url.Values, into any, wrong **refusal) error {
	err := v.get(path, query, into)
	if r, ok := err.(*refusal); ok && r.Status == http.StatusBadRequest { //nolint:errorlint // get wraps nothing
		*wrong = r
		return nil
	}
	return err
}

// export passes on what the search finds, as a file.
func (c *Console) export(v *visit) error {
	f := filtered(v.r.URL.Query(), append(eventFields(), "format")...)
	f.values.Del("limit")
	f.values.Del("cursor")
	name := "events.ndjson"
	if f.Get("format") == "csv" {
		name = "events.csv"
	}
	v.w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	return v.pass(v.w, "/v1/export", f.values)
}

// history is the page of one event.
type history struct {
	persistence.History
	Who    *access
	Single bool // it is a page of its own
}

func (c *Console) event(v *visit) error {
	h := history{Who: v.who}
	query := filtered(v.r.URL.Query(), "application").values
	if err := v.get("/v1/events/"+segment(idOf(v.r)), query, &h.History); err != nil {
		return err
	}
	if v.fragment() {
		return v.part("event", "history", h)
	}
	h.Single = true
	return v.show(http.StatusOK, "event", "events", "Event "+h.ID, h)
}
