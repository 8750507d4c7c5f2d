package console

import (
	"context"
	"errors"
	"maps"
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
	p.Stream = f.Link("/tail/stream", "outcome", wanted)
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

// watch is how often a live tail looks whether its session is still there: who logs out in one tab has done so in all.
const watch = 5 * time.Second

// stream passes on the API's own, which looks at the token's right to listen itself, until the session ends.
func (c *Console) stream(v *visit) error {
	if mode := v.r.Header.Get("Sec-Fetch-Mode"); mode == "navigate" {
		return fault.New(fault.CodeInvalid, "this is for the page of the live tail: /tail")
	}
	ctx, end := context.WithCancel(v.r.Context())
	defer end()
	go func() { // it ends with the stream
		defer end()
		c.watched(ctx, v.id)
	}()
	v.client.outer = v.r.WithContext(ctx)
	f := v.filtered(append(tailFields(), "outcome"))
	if f.wrong != nil {
		return f.wrong
	}
	return v.pass(v.w, "/v1/stream", f.values)
}

// watched returns when a session has ended. That the store does not answer ends none.
func (c *Console) watched(ctx context.Context, id string) {
	ticker := time.NewTicker(watch)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if _, err := c.Sessions.Token(ctx, id); errors.Is(err, errNoSession) {
			return
		}
	}
}
