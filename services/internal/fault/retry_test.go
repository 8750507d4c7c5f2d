package fault

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// TestRetryAfter is in whole seconds, never sooner than an error asks for, and on answers that will be another later.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		code Code
		wait time.Duration
		want string
	}{
		{CodeUnavailable, 0, "1"},
		{CodeRate, 0, "1"},
		{CodeRate, time.Millisecond, "1"},
		{CodeRate, time.Second, "1"},
		{CodeRate, time.Second + 1, "2"},
		{CodeOverloaded, time.Minute, "60"},
		{CodeRejected, time.Minute, ""},
	} {
		w := httptest.NewRecorder()
		Write(w, &Error{Code: c.code, Detail: "d", RetryAfter: c.wait})
		if got := w.Header().Get("Retry-After"); got != c.want {
			t.Errorf("%s after %s: Retry-After %q, want %q", c.code, c.wait, got, c.want)
		}
		if w.Code == http.StatusOK {
			t.Errorf("%s: answered %d", c.code, w.Code)
		}
	}
}
