package console

import (
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/services/internal/fault"
	"github.com/theeye-dev/theeye/services/persistence"
)

// sessionList is the page of sessions.
type sessionList struct {
	question
	persistence.SessionPage
	Partial bool `json:"partial"`
	Next    string
	Erased  string // yes: an erasure has ended
}

func (c *Console) sessions(v *visit) error {
	f := v.filtered([]string{"application", "category", "name", "from", "to", "cursor", "limit", "session_id", "erased"})
	if id := f.Get("session_id"); id != "" && f.wrong == nil { // the field for one that is known
		return v.redirect(href("/sessions", id))
	}
	if f.partial && f.wrong == nil {
		return v.redirect(f.Link("/sessions"))
	}
	list := sessionList{Erased: f.Get("erased")}
	f.values.Del("erased") // what was done is no question
	list.question = question{Filter: f, Who: v.who}
	if err := list.ask(v, "/v1/sessions", f.asked("limit", rowsPerPage), &list); err != nil {
		return err
	}
	list.Form = []field{
		list.Field("session_id", "Session", "open one by its id"), list.Application(), list.Field("category", "Category", ""), list.Field("name", "Name", ""),
		list.TimeField("from", "Began from, UTC"), list.TimeField("to", "Began until, UTC"),
	}
	if list.NextCursor != "" {
		list.Next = f.Link("/sessions", "cursor", list.NextCursor)
	}
	if list.Refuse != nil { // a further page, where there is one
		list.Next = list.after(v, "/sessions")
	}
	if v.fragment() {
		return v.part(list.status(), "sessions", "session-rows", list)
	}
	return v.show(list.status(), "sessions", "sessions", "Sessions", list)
}

// gap is a silence in a session that is shown as one.
const gap = time.Minute

// moment is an event of a timeline.
type moment struct {
	persistence.Event
	Offset string // since the session began
	Gap    string // the silence before it; "": none to speak of
}

// lane of the picture is one application's.
type lane struct {
	Application string
	Y           int
	Marks       []string // places of its events, 0 to 1000
}

// timeline is the page of one session.
type timeline struct {
	persistence.Session
	Who      *access
	Partial  bool `json:"partial"`
	Moments  []moment
	Lanes    []lane
	Drawn    int64 // events in the picture
	Lasted   string
	MayErase bool
	Erasure  erasure
	Next     string
	Refuse   *refusal // what a further page cannot be had for
}

func (c *Console) session(v *visit) error {
	f := v.filtered([]string{"application", "category", "name", "from", "to", "data.<path>", "order", "cursor", "limit"}, "id")
	if f.wrong != nil {
		return f.wrong
	}
	t := timeline{Who: v.who}
	id := idOf(v.r)
	if err := v.get("/v1/sessions/"+segment(id), f.asked("limit", "200"), &t); err != nil {
		return t.further(v, f, err)
	}
	v.about(f.Get("application"), "get")
	t.arrange()
	if t.NextCursor != "" {
		t.Next = f.Link(href("/sessions", id), "cursor", t.NextCursor)
	}
	if v.fragment() {
		return v.part(http.StatusOK, "session", "moments", t)
	}
	if err := t.picture(v, f, id); err != nil {
		return err
	}
	if t.MayErase = v.mayErase(); t.MayErase {
		var err error
		if t.Erasure, err = v.erasureOf(id); err != nil {
			return err
		}
	}
	return v.show(http.StatusOK, "session", "sessions", "Session "+t.SessionID, t)
}

// mayErase tells whether somebody may erase a session everywhere: else there may be applications of it that he is not told of.
func (v *visit) mayErase() bool { return v.who.everything("delete") }

// further answers for what is not to be had: of a further page of the timeline where it would be, with a way to try again.
func (t *timeline) further(v *visit, f filter, err error) error {
	r, ok := err.(*refusal) //nolint:errorlint // get wraps nothing
	switch {
	case !ok, r.Code == fault.CodeUnauthenticated:
		return err
	case !v.fragment() && r.Code == fault.CodeNotFound && v.mayErase():
		return v.unstored(f, r)
	case !v.fragment():
		return err
	}
	t.Refuse, t.Next = r, question{Filter: f, Refuse: r}.after(v, href("/sessions", idOf(v.r)))
	r.tell(v.w.Header())
	return v.part(r.Status, "session", "moments", t)
}

// arrange puts the events of the page where they belong.
func (t *timeline) arrange() {
	first, _ := parsed(t.FirstAt)
	last, _ := parsed(t.LastAt)
	t.Lasted = duration(last.Sub(first))
	before := time.Time{}
	for _, e := range t.Events {
		at, _ := parsed(e.Timestamp)
		m := moment{Event: e, Offset: "+" + duration(at.Sub(first))}
		if silence := at.Sub(before); !before.IsZero() && silence >= gap {
			m.Gap = duration(silence)
		}
		before = at
		t.Moments = append(t.Moments, m)
	}
}

// drawn is how many events the picture has beyond those of the page, as one page of the API: marks that are closer than
// that to each other are one.
const drawn = "1000"

// picture draws the session: what the page has, and what comes behind it.
func (t *timeline) picture(v *visit, f filter, id string) error {
	lanes := map[uuid.UUID]int{}
	for _, a := range t.Applications {
		lanes[a] = len(t.Lanes)
		t.Lanes = append(t.Lanes, lane{Application: a.String(), Y: laneHeight*len(t.Lanes) + laneHeight/2})
	}
	t.draw(lanes, t.Events)
	if t.NextCursor == "" {
		return nil
	}
	asked, rest := f.asked(), persistence.Session{}
	asked.Set("cursor", t.NextCursor)
	asked.Set("limit", drawn)
	err := v.get("/v1/sessions/"+segment(id), asked, &rest)
	if _, ok := err.(*refusal); err != nil && !ok { //nolint:errorlint // get wraps nothing
		return err
	}
	t.draw(lanes, rest.Events) // of what cannot be had now there is none, and the picture says so
	return nil
}

// draw marks events in their lanes.
func (t *timeline) draw(lanes map[uuid.UUID]int, events []persistence.Event) {
	first, _ := parsed(t.FirstAt)
	last, _ := parsed(t.LastAt)
	for _, e := range events {
		at, _ := parsed(e.Timestamp)
		if n, ok := lanes[e.Application]; ok {
			t.Lanes[n].Marks = append(t.Lanes[n].Marks, place(at.Sub(first), last.Sub(first)))
			t.Drawn++
		}
	}
}

// laneHeight is in the units of the picture, which is pictureWidth of them wide with a margin at both ends.
const laneHeight, pictureWidth, pictureMargin = 22, 1000, 8

// Height of the picture.
func (t timeline) Height() int { return laneHeight * max(len(t.Lanes), 1) }

// place of a moment between the ends of a picture.
func place(since, whole time.Duration) string {
	if whole <= 0 {
		return strconv.Itoa(pictureWidth / 2)
	}
	share := min(max(float64(since)/float64(whole), 0), 1)
	return strconv.FormatFloat(pictureMargin+share*(pictureWidth-2*pictureMargin), 'f', 1, 64)
}
