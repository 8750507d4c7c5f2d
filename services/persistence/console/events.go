package console

import (
	"net/http"

	"github.com/theeye-dev/theeye/services/internal/fault"
	"github.com/theeye-dev/theeye/services/persistence"
)

// rowsPerPage of events, sessions and failures: a few screens.
const rowsPerPage = "50"

// eventFields are the parameters of the search beside conditions on data.
func eventFields() []string {
	return []string{"session_id", "application", "category", "name", "from", "to", "data.<path>", "order", "cursor", "limit"}
}

// eventList is the page of the search.
type eventList struct {
	question
	persistence.EventPage
	Partial bool   `json:"partial"`
	Next    string // link to the next page; "": this is the last
}

func (c *Console) events(v *visit) error {
	f := v.filtered(eventFields(), "path", "op", "value")
	f.conditions(v.r.URL.Query())
	if f.partial && f.wrong == nil { // an address that can be shared says what it means, and no more
		return v.redirect(f.Link("/events"))
	}
	list := eventList{question: question{Filter: f, Who: v.who}}
	if err := list.ask(v, "/v1/events", f.asked("limit", rowsPerPage), &list); err != nil {
		return err
	}
	list.form()
	if list.NextCursor != "" {
		list.Next = f.Link("/events", "cursor", list.NextCursor)
	}
	if list.Refuse != nil { // a further page, where there is one
		list.Next = list.after(v, "/events")
	}
	if v.fragment() {
		return v.part(list.status(), "events", "event-rows", list)
	}
	return v.show(list.status(), "events", "events", "Events", list)
}

// form of the search, beside conditions on data.
func (l *eventList) form() {
	own := "newest first"
	if l.Filter.Get("session_id") != "" {
		own = "as the session reads"
	}
	order := l.Select("order", "Order", own, "oldest", "newest")
	for i := range order.Options[1:] {
		order.Options[i+1].Text += " first"
	}
	l.Form = []field{
		l.Application(), l.Field("category", "Category", ""), l.Field("name", "Name", ""), l.Field("session_id", "Session", ""),
		l.TimeField("from", "From, UTC"), l.TimeField("to", "To, UTC"), order,
	}
}

// Further says which events the next page has.
func (l eventList) Further() string {
	switch {
	case l.Filter.Get("order") == "oldest":
		return "Newer events"
	case l.Filter.Get("session_id") != "" && l.Filter.Get("order") == "":
		return "Later events"
	}
	return "Older events"
}

// exportPath has what the search finds, and is not below /events, where any id may be.
const exportPath = "/export"

// export passes on what the search finds, as a file.
func (c *Console) export(v *visit) error {
	f := v.filtered(append(eventFields(), "format"))
	if f.wrong != nil {
		return f.wrong
	}
	f.values.Del("limit")
	f.values.Del("cursor")
	name, err := fileOf(f.Get("format"))
	if err != nil {
		return err
	}
	return v.pass(v.w, "/v1/export", f.values, "Content-Disposition", `attachment; filename="`+name+`"`)
}

// fileOf names the file of a format that the page offers. What is for programs is not among them: a link that somebody passes on
// would open it in a spreadsheet, which runs what it takes for a formula.
func fileOf(format string) (string, error) {
	switch format {
	case "", "ndjson":
		return "events.ndjson", nil
	case "csv":
		return "events.csv", nil
	}
	return "", fault.OfParameter("format", fault.New(fault.CodeParameter, "format must be ndjson or csv; GET /v1/export has others, for programs"))
}

// history is the page of one event.
type history struct {
	persistence.History
	Who    *access
	Single bool // it is a page of its own
}

func (c *Console) event(v *visit) error {
	h := history{Who: v.who}
	if err := v.get("/v1/events/"+segment(idOf(v.r)), filterOf(v.r.URL.Query(), "application").values, &h.History); err != nil {
		return err
	}
	v.about(text(h.Application), "get")
	if v.fragment() {
		return v.part(http.StatusOK, "event", "history", h)
	}
	h.Single = true
	return v.show(http.StatusOK, "event", "events", "Event "+h.ID, h)
}
