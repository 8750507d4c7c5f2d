package persistence

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/event"
)

// TestPagesAreBoundedInBytes stores more than fits a page, of events and of failures: pages end early and go on.
func TestPagesAreBoundedInBytes(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	const count = 12
	large := strings.Repeat("x", event.MaxEventBytes-1000)
	for n := range count {
		item := typed(fmt.Sprint(n), "s", "c", "n", time.Now())
		item.Original = fmt.Appendf(nil, `{"id":"%d","session_id":"s","category":"c","name":"n","data":{"text":%q}}`, n, large)
		refused := item
		refused.Refusal = &event.Refusal{Code: event.CodeTooOld}
		l.insert(l.request(shop, item, refused))
	}
	events, eventPages, failures, failurePages := 0, 0, 0, 0
	for cursor := ""; eventPages == 0 || cursor != ""; eventPages++ {
		var page EventPage
		l.get(uuid.Nil, "/v1/events?limit=1000"+cursor, &page)
		events += len(page.Events)
		cursor = next(page.NextCursor)
	}
	for cursor := ""; failurePages == 0 || cursor != ""; failurePages++ {
		var page FailurePage
		l.get(uuid.Nil, "/v1/failures?limit=1000"+cursor, &page)
		failures += len(page.Failures)
		cursor = next(page.NextCursor)
	}
	if events != count || failures != count || eventPages != 2 || failurePages != 2 {
		t.Errorf("%d events on %d pages and %d failures on %d, want %d on 2 each", events, eventPages, failures, failurePages, count)
	}
}

func next(cursor string) string {
	if cursor == "" {
		return ""
	}
	return "&cursor=" + url.QueryEscape(cursor)
}
