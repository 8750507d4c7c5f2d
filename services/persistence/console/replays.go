package console

import (
	"maps"
	"net/http"
	"slices"

	"github.com/theeye-dev/theeye/services/internal/fault"
)

// run is a replay of all failures that a filter finds.
type run struct {
	ID          string           `json:"id"`
	State       string           `json:"state"` // running, finished or cancelled
	DryRun      bool             `json:"dry_run"`
	Yours       bool             `json:"yours"` // who asks has begun it
	Application string           `json:"application"`
	Code        string           `json:"code"`
	Stage       string           `json:"stage"`
	From        string           `json:"from"`
	To          string           `json:"to"`
	Total       int64            `json:"total"`
	Done        int64            `json:"done"`
	Outcomes    map[string]int64 `json:"outcomes"`
	Codes       map[string]int64 `json:"codes"`
	RequestedAt string           `json:"requested_at"`
	FinishedAt  string           `json:"finished_at"`
}

// Running tells whether there is something to wait for.
func (r run) Running() bool { return r.State == "running" }

// Percent that is done, of what was counted at its beginning: what came in the meantime is done, too, and more than all is none.
func (r run) Percent() int64 {
	if r.Total <= 0 {
		return 100
	}
	return min(max(r.Done, 0), r.Total) * 100 / r.Total
}

// tally is a number with its name.
type tally struct {
	Name string
	N    int64
}

func tallied(counts map[string]int64) (list []tally) {
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		list = append(list, tally{name, counts[name]})
	}
	return list
}

// Results by outcome.
func (r run) Results() []tally { return tallied(r.Outcomes) }

// Reasons by code.
func (r run) Reasons() []tally { return tallied(r.Codes) }

// replayPage is the page of one.
type replayPage struct {
	run
	Who       *access
	MayCancel bool
	MayReplay bool // what the dry run was about
}

// replayList is the page of all.
type replayList struct {
	question
	Replays []run  `json:"replays"`
	Cursor  string `json:"next_cursor"`
	Partial bool   `json:"partial"`
	Next    string
}

func (c *Console) replays(v *visit) error {
	f := v.filtered([]string{"application", "state", "dry_run", "cursor", "limit"})
	if f.partial && f.wrong == nil {
		return v.redirect(f.Link("/replays"))
	}
	list := replayList{question: question{Filter: f, Who: v.who}}
	if err := list.ask(v, "/v1/replays", f.asked("limit", rowsPerPage), &list); err != nil {
		return err
	}
	list.Form = []field{list.Application(), list.kind(), list.Select("state", "State", "any", "running", "finished", "cancelled")}
	if list.Cursor != "" {
		list.Next = f.Link("/replays", "cursor", list.Cursor)
	}
	if list.Refuse != nil { // a further page, where there is one
		list.Next = list.after(v, "/replays")
	}
	if v.fragment() {
		return v.part(list.status(), "replays", "replay-rows", list)
	}
	return v.show(list.status(), "replays", "replays", "Replays", list)
}

// kind is the field for dry runs and those in earnest.
func (l *replayList) kind() field {
	f := l.Select("dry_run", "Kind", "any", "false", "true")
	f.Options[1].Text, f.Options[2].Text = "replay", "dry run"
	return f
}

// replay shows how far one is; htmx asks again while it runs, also where that cannot be told for a moment (app.js).
func (c *Console) replay(v *visit) error {
	p := replayPage{Who: v.who}
	if err := v.get("/v1/replays/"+segment(idOf(v.r)), nil, &p.run); err != nil {
		return err
	}
	v.about(p.Application, "update")
	p.MayCancel = p.Running() && (p.DryRun && p.Yours || v.who.may("update", p.Application))
	p.MayReplay = p.DryRun && !p.Running() && v.who.asking("update", p.Application)
	if v.fragment() {
		return v.part(http.StatusOK, "replay", "progress", p)
	}
	return v.show(http.StatusOK, "replay", "replays", p.kind(), p)
}

func (r run) kind() string {
	if r.DryRun {
		return "Dry run"
	}
	return "Replay"
}

// replayMany begins one.
func (c *Console) replayMany(v *visit) error {
	v.r.Body = http.MaxBytesReader(v.w, v.r.Body, maxForm)
	if err := v.r.ParseForm(); err != nil {
		return fault.Wrap(fault.CodeMalformed, "the form cannot be read", err)
	}
	begun := run{}
	// All of it goes to the API, which refuses what it does not know: left out, it would replay more than was meant.
	if err := v.do(http.MethodPost, "/v1/replays", v.r.PostForm, &begun); err != nil {
		return err
	}
	return v.redirect(href("/replays", begun.ID))
}

func (c *Console) cancelReplay(v *visit) error {
	if err := v.do(http.MethodPost, "/v1/replays/"+segment(idOf(v.r))+"/cancel", nil, nil); err != nil {
		return err
	}
	return v.redirect(href("/replays", idOf(v.r)))
}
