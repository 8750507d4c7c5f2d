package quota

import (
	"errors"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/theeye-dev/theeye/services/internal/fault"
)

// TestHeader: what is left and when all of it is back; after a refusal when to come again.
func TestHeader(t *testing.T) {
	t.Parallel()
	l := newShared(t).replica()
	check := func(a *Allowance, policy, left string) {
		t.Helper()
		h := http.Header{}
		a.Header(h)
		want := http.Header{"Ratelimit-Policy": {policy}, "Ratelimit": {left}}
		if diff := cmp.Diff(want, h); diff != "" {
			t.Error(diff)
		}
	}
	p := limited(2, 1000)
	a := l.Of(p)
	check(a, `"application";q=1000;qu="events";w=500`, `"application";r=1000;t=500`)
	if err := a.Take(t.Context(), 1000); err != nil {
		t.Fatal(err)
	}
	check(a, `"application";q=1000;qu="events";w=500`, `"application";r=0;t=1`)
	err := a.Take(t.Context(), 100)
	refusal, ok := errors.AsType[*fault.Error](err)
	if !ok || refusal.RetryAfter < 40*time.Second || refusal.RetryAfter > 50*time.Second ||
		refusal.Detail != "the application may send 2 events per second, 1000 at once; the request has 100; nothing was stored" {
		t.Errorf("refused with %+v", err)
	}
	h := http.Header{}
	a.Header(h)
	if got := fault.ProblemOf(err).RetryAfter; h.Get("RateLimit") != `"application";r=0;t=`+strconv.FormatInt(seconds(got), 10) {
		t.Errorf("%s after %s", h.Get("RateLimit"), got)
	}
	p.Credential = ""
	check(l.Of(p), `"public";q=1000;qu="events";w=500`, `"public";r=1000;t=500`)
}
