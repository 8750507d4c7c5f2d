package console

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"

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
	Tried     *replayed // what a dry run, or a replay of a moment ago, has said
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

func (c *Console) failure(v *visit) error { return v.showFailure(nil) }

func (v *visit) showFailure(tried *replayed) error {
	p := failurePage{Who: v.who, Tried: tried}
	if err := v.get("/v1/failures/"+segment(idOf(v.r)), nil, &p.failure); err != nil {
		return err
	}
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
	p.MayReplay = p.State == "open" && !p.LeftOut && v.who.may("update", text(p.Application))
	return v.show(http.StatusOK, "failure", "failures", "Failure "+p.ID.String(), p)
}

// sessionOf finds the session that an event belongs to, as far as it can be read.
func sessionOf(original string) string {
	var e struct {
		SessionID string `json:"session_id"`
	}
	_ = json.Unmarshal([]byte(original), &e) // what is refused need not be JSON
	return e.SessionID
}

// replayOne replays one failure, or tells what would become of it.
func (c *Console) replayOne(v *visit) error {
	v.r.Body = http.MaxBytesReader(v.w, v.r.Body, maxForm)
	query := url.Values{}
	if v.r.PostFormValue("dry_run") == "true" {
		query.Set("dry_run", "true")
	}
	tried := &replayed{}
	if err := v.do(http.MethodPost, "/v1/failures/"+segment(idOf(v.r))+"/replay", query, tried); err != nil {
		return err
	}
	if !tried.DryRun { // its outcome is on the failure
		return v.redirect(href("/failures", idOf(v.r)))
	}
	return v.showFailure(tried)
}

func (c *Console) discard(v *visit) error {
	if err := v.do(http.MethodPost, "/v1/failures/"+segment(idOf(v.r))+"/discard", nil, nil); err != nil {
		return err
	}
	return v.redirect(href("/failures", idOf(v.r)))
}
