package console

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/theeye-dev/theeye/services/internal/fault"
	"github.com/theeye-dev/theeye/services/persistence"
)

// failure is one as the API has it.
type failure struct {
	persistence.Failure
	Attempt       *attempt        `json:"attempt"`
	Attempts      []attempt       `json:"attempts"`
	Schema        json.RawMessage `json:"schema"`
	SchemaDigest  string          `json:"schema_digest"`
	SchemaCurrent *bool           `json:"schema_current"`
}

// attempt is what came of a replay, or that it was discarded.
type attempt struct {
	At       string   `json:"at"`
	Outcome  string   `json:"outcome"`
	Code     string   `json:"code"`
	Detail   string   `json:"detail"`
	Pointers []string `json:"pointers"`
}

// failureFields are the parameters of the list; those of a replay are the same but for state, cursor and limit.
func failureFields() []string {
	return []string{"application", "code", "stage", "state", "from", "to", "cursor", "limit"}
}

// failureList is the page of failures.
type failureList struct {
	question
	Failures []failure `json:"failures"`
	Cursor   string    `json:"next_cursor"`
	Partial  bool      `json:"partial"`
	Next     string
	Offer    offer `json:"-"`
}

// offer is what may be done with the open failures that a filter finds.
type offer struct {
	Try, Replay bool
	Name        bool // an application has to be named first
}

// offered finds out what that is.
func (q question) offered() offer {
	if state := q.Filter.Get("state"); state != "" && state != "open" {
		return offer{}
	}
	named := q.Filter.Get("application")
	o := offer{Try: q.Who.asking("list", named), Replay: q.Who.asking("update", named)}
	o.Name = named == "" && (!o.Try || !o.Replay && q.Who.somewhere("update"))
	return o
}

func (c *Console) failures(v *visit) error {
	f := v.filtered(failureFields())
	if f.partial && f.wrong == nil {
		return v.redirect(f.Link("/failures"))
	}
	list := failureList{question: question{Filter: f, Who: v.who}}
	if err := list.ask(v, "/v1/failures", f.asked("limit", rowsPerPage), &list); err != nil {
		return err
	}
	list.Form = []field{
		list.Application(), list.Field("code", "Code", "schema.mismatch"), list.Select("stage", "Stage", "any", "ingest", "persistence"),
		list.Select("state", "State", "any", "open", "replayed", "discarded"),
		list.TimeField("from", "Received from, UTC"), list.TimeField("to", "Received until, UTC"),
	}
	v.about(f.Get("application"), "list", "update")
	list.Offer = list.offered()
	if list.Cursor != "" {
		list.Next = f.Link("/failures", "cursor", list.Cursor)
	}
	if list.Refuse != nil { // a further page, where there is one
		list.Next = list.after(v, "/failures")
	}
	if v.fragment() {
		return v.part(list.status(), "failures", "failure-rows", list)
	}
	return v.show(list.status(), "failures", "failures", "Failures", list)
}

// failurePage is the page of one.
type failurePage struct {
	failure
	Who       *access
	Text      string // the original
	Shown     prettied
	Diff      []difference
	Tried     *replayed // what a dry run of now has said
	Untried   *refusal  // why it could not be tried
	MayTry    bool
	MayReplay bool
	Session   string // of the original; "": it names none
}

// Earlier are the attempts before the last one.
func (p failurePage) Earlier() []attempt { return p.Attempts[:max(len(p.Attempts)-1, 0)] }

// Base64 is an original that is no text.
func (p failurePage) Base64() string { return base64.StdEncoding.EncodeToString(p.OriginalBase64) }

// replayed is the answer to a replay of one.
type replayed struct {
	ID       string   `json:"id"`
	DryRun   bool     `json:"dry_run"`
	Outcome  string   `json:"outcome"`
	Code     string   `json:"code"`
	Detail   string   `json:"detail"`
	Pointers []string `json:"pointers"`
}

// failure shows one; with dry_run=true also what would become of it now, by today's rules whenever the address is opened.
func (c *Console) failure(v *visit) error {
	p := failurePage{Who: v.who}
	if dry := v.r.URL.Query(); dry.Has("dry_run") {
		if dry.Get("dry_run") != "true" {
			return fault.OfParameter("dry_run", fault.New(fault.CodeParameter, "dry_run must be true, or left out"))
		}
		if err := p.try(v); err != nil {
			return err
		}
	}
	if err := v.get("/v1/failures/"+segment(idOf(v.r)), nil, &p.failure); err != nil {
		return err
	}
	v.about(text(p.Application), "get", "update")
	p.explain()
	if p.State == "replayed" { // what became of it is on the failure
		p.Tried = nil
	}
	open := p.State == "open" && !p.LeftOut
	p.MayTry, p.MayReplay = open && v.who.may("get", text(p.Application)), open && v.who.may("update", text(p.Application))
	status := http.StatusOK
	if p.Untried != nil {
		status = p.Untried.Status
		p.Untried.tell(v.w.Header())
	}
	return v.show(status, "failure", "failures", "Failure "+p.ID.String(), p)
}

// try asks what would become of it. The page shows a refusal beside the failure, unless there is none, or nobody to ask.
func (p *failurePage) try(v *visit) error {
	tried := &replayed{}
	err := v.do(http.MethodPost, "/v1/failures/"+segment(idOf(v.r))+"/replay", url.Values{"dry_run": {"true"}}, tried)
	refused, ok := err.(*refusal) //nolint:errorlint // do wraps nothing
	switch {
	case err == nil:
		p.Tried = tried
	case ok && refused.Code != fault.CodeUnauthenticated:
		p.Untried = refused
	default:
		return err
	}
	return nil
}

// explain holds the original against what refused it.
func (p *failurePage) explain() {
	if p.Original != nil {
		p.Text = *p.Original
	}
	p.Session = sessionOf(p.Text)
	p.Diff = differences(p.Text, p.Schema)
	at := notes(p.Pointers)
	for _, d := range p.Diff {
		at[d.Pointer] = append(at[d.Pointer], d.Keyword+": "+d.Detail)
	}
	if p.Text != "" {
		p.Shown = marked([]byte(p.Text), at)
	}
}

// sessionOf finds the session that an event belongs to, as far as it can be read.
func sessionOf(original string) string {
	var e struct {
		SessionID string `json:"session_id"`
	}
	_ = json.Unmarshal([]byte(original), &e) // what is refused need not be JSON
	return e.SessionID
}

// replayOne replays one failure. A dry run is a page, which can be opened again and passed on.
func (c *Console) replayOne(v *visit) error {
	v.r.Body = http.MaxBytesReader(v.w, v.r.Body, maxForm)
	if v.r.PostFormValue("dry_run") == "true" {
		return v.redirect(href("/failures", idOf(v.r), "", "dry_run", "true") + "#dry-run")
	}
	if err := v.do(http.MethodPost, "/v1/failures/"+segment(idOf(v.r))+"/replay", nil, nil); err != nil {
		return err
	}
	return v.redirect(href("/failures", idOf(v.r))) // its outcome is on the failure
}

func (c *Console) discard(v *visit) error {
	if err := v.do(http.MethodPost, "/v1/failures/"+segment(idOf(v.r))+"/discard", nil, nil); err != nil {
		return err
	}
	return v.redirect(href("/failures", idOf(v.r)))
}
