package console

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/theeye-dev/theeye/services/internal/fault"
)

// tailFields are the filters of the live tail.
func tailFields() []string {
	return []string{"session_id", "application", "category", "name", "from", "to"}
}

// tailPage is the page that listens.
type tailPage struct {
	Filter   filter
	Who      *access
	Outcomes map[string]bool // that are asked for; none: all
	Stream   string          // where the page listens
	Search   string          // the same question to what is stored, for browsers without JavaScript
}

func (c *Console) tail(v *visit) error {
	given := v.r.URL.Query()
	f := filtered(given, tailFields()...)
	p := tailPage{Filter: f, Who: v.who, Outcomes: map[string]bool{}, Search: f.Link("/events")}
	for _, list := range given["outcome"] {
		for one := range strings.SplitSeq(list, ",") {
			p.Outcomes[one] = true
		}
	}
	p.Stream = f.Link("/tail/stream", "outcome", joined(p.Outcomes))
	if f.partial || len(given["outcome"]) > 1 {
		return v.redirect(f.Link("/tail", "outcome", joined(p.Outcomes)))
	}
	return v.show(http.StatusOK, "tail", "tail", "Live tail", p)
}

// joined lists the outcomes that are asked for, in their order; "" for all of them.
func joined(wanted map[string]bool) string {
	var list []string
	for _, o := range outcomes() {
		if wanted[o] {
			list = append(list, o)
		}
	}
	if len(list) == len(outcomes()) {
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
	return v.pass(v.w, "/v1/stream", filtered(v.r.URL.Query(), append(tailFields(), "outcome")...).values)
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
