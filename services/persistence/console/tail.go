package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/theeye-dev/theeye/services/internal/fault"
)

// tailFields are the filters of the live tail.
func tailFields() []string {
	return []string{"session_id", "application", "category", "name", "from", "to", "data.<path>"}
}

// tailPage is the page that listens.
type tailPage struct {
	question
	Outcomes map[string]bool // that are asked for; none: all
	Stream   string          // where the page listens
	Search   string          // the same question to what is stored, for browsers without JavaScript
}

// Refused is that of the question; the same once more asks for the same outcomes, which are none of its filters.
func (p tailPage) Refused() refused {
	r := p.question.Refused("/tail")
	if p.Refuse != nil && p.Refuse.Passes() {
		r.On = &link{p.Filter.Link("/tail", "outcome", joined(p.Outcomes)), "Try again"}
	}
	return r
}

func (c *Console) tail(v *visit) error {
	given := v.r.URL.Query()["outcome"]
	f := v.filtered(tailFields(), "outcome", "path", "op", "value")
	f.conditions(v.r.URL.Query())
	p := tailPage{question: question{Filter: f, Who: v.who}, Outcomes: map[string]bool{}, Search: f.Link("/events")}
	for _, list := range given {
		for one := range strings.SplitSeq(list, ",") {
			if one != "" {
				p.Outcomes[one] = true
			}
		}
	}
	wanted := joined(p.Outcomes)
	if (f.partial || len(given) > 1) && f.wrong == nil {
		return v.redirect(f.Link("/tail", "outcome", wanted))
	}
	p.Stream = f.Link(streamPath, "outcome", wanted)
	if err := p.ask(v, "/v1/stream", f.asked("outcome", wanted), nil); err != nil { // it is told here, and ends there with its first word
		return err
	}
	p.Form = []field{p.Application(), p.Field("category", "Category", ""), p.Field("name", "Name", ""), p.Field("session_id", "Session", "")}
	return v.show(p.status(), "tail", "tail", "Live tail", p)
}

// joined lists the outcomes that are asked for, in their order, and what is none behind them; "" for all of them.
func joined(wanted map[string]bool) string {
	var list []string
	for _, o := range outcomes() {
		if wanted[o] {
			list = append(list, o)
		}
	}
	for _, one := range slices.Sorted(maps.Keys(wanted)) {
		if !slices.Contains(outcomes(), one) {
			list = append(list, one)
		}
	}
	if len(wanted) == len(outcomes()) && slices.Equal(list, outcomes()) {
		return ""
	}
	return strings.Join(list, ",")
}

// streamPath is where the page of the live tail listens.
const streamPath = "/tail/stream"

// watch is how often a live tail looks whether its session is still there: who logs out in one tab has done so in all.
const watch = 5 * time.Second

// stream passes on the API's own, which looks at the token's right to listen itself, until the session ends.
func (c *Console) stream(v *visit) error {
	if mode := v.r.Header.Get("Sec-Fetch-Mode"); mode == "navigate" {
		return fault.New(fault.CodeInvalid, "this is for the page of the live tail: /tail")
	}
	f := v.filtered(append(tailFields(), "outcome"))
	if f.wrong != nil {
		return f.wrong
	}
	ctx, end := context.WithCancelCause(v.r.Context())
	defer end(nil)
	go func() { end(c.watched(ctx, v.id)) }() // it ends with the stream
	v.client.outer = v.r.WithContext(ctx)
	err := v.pass(v.w, "/v1/stream", f.values)
	if err == nil && errors.Is(context.Cause(ctx), errNoSession) {
		v.farewell()
	}
	return err
}

// farewellPatience is how long a browser may take for the last word.
const farewellPatience = 10 * time.Second

// farewell is the last event of a stream whose session has ended, as the API would tell it.
func (v *visit) farewell() {
	problem := fault.ProblemOf(errSessionOver())
	text, _ := json.Marshal(problem)                                                       // always has a JSON form
	_ = http.NewResponseController(v.w).SetWriteDeadline(time.Now().Add(farewellPatience)) // the stream's has passed
	_, _ = fmt.Fprintf(v.w, "event: end\ndata: %s\n\n", text)                              // the browser may have gone
}

func errSessionOver() error {
	return fault.New(fault.CodeUnauthenticated, "your session has ended: log in again")
}

// watched returns errNoSession when a session has ended, which it does although somebody listens. That the store does not answer ends none.
func (c *Console) watched(ctx context.Context, id string) error {
	ticker := time.NewTicker(watch)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if _, err := c.Sessions.Look(ctx, id); errors.Is(err, errNoSession) {
			return errNoSession
		}
	}
}
