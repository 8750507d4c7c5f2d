package persistence

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/theeye-dev/theeye/api/client"
	"github.com/theeye-dev/theeye/api/event"
)

// list is any page.
type list struct {
	Events     []Event          `json:"events"`
	Failures   []Failure        `json:"failures"`
	Sessions   []SessionSummary `json:"sessions"`
	NextCursor string           `json:"next_cursor"`
}

func (p *list) rows() int { return len(p.Events) + len(p.Failures) + len(p.Sessions) }

// pages reads a list to its end, and tells how many rows each page had; one of several rows has no more than it may.
func (l *library) pages(path string) (rows []int) {
	l.Helper()
	for cursor := ""; len(rows) == 0 || cursor != ""; {
		status, body := l.raw(l.url, adminToken, path+"?limit=1000"+cursor)
		if status != http.StatusOK {
			l.Fatalf("%s answered %d %s", path, status, body)
		}
		var page list
		l.must(json.Unmarshal(body, &page))
		if page.rows() > 1 && len(body) > maxPageBytes {
			l.Errorf("%s: a page of %d rows has %d bytes", path, page.rows(), len(body))
		}
		rows, cursor = append(rows, page.rows()), next(page.NextCursor)
	}
	return rows
}

// TestPagesAreBoundedInBytes as they are answered, where a byte of what is stored takes six.
func TestPagesAreBoundedInBytes(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	const count = 12
	large := strings.Repeat("x", event.MaxEventBytes-1000)
	control := strings.Repeat("\x01", event.MaxEventBytes/8) // 768 KiB as it is answered
	for n := range count {
		item := typed(fmt.Sprint(n), "s", "c", "n", time.Now())
		item.Original = fmt.Appendf(nil, `{"id":"%d","session_id":"s","category":"c","name":"n","data":{"text":%q}}`, n, large)
		l.insert(l.request(shop, item, refused(control, string(event.CodeTooOld)), refused("\xff"+control, string(event.CodeTooOld))))
	}
	l.insert(l.request(shop, refused(strings.Repeat("\x01", 3*maxPageBytes/12), string(event.CodeTooOld)))) // which is more than a page alone
	_, err := l.pool.Exec(t.Context(), `
		INSERT INTO persistence.sessions SELECT repeat(chr(1), 100) || n, CASE m WHEN 0 THEN $1 ELSE gen_random_uuid() END, $2::timestamptz + m * interval '1 s', $2, 1
		FROM generate_series(1, 22) n, generate_series(0, 9999) m`, shop, time.Now())
	l.must(err)
	for path, want := range map[string]string{
		"/v1/events": "[8 4]", "/v1/sessions/s": "[8 4]", "/v1/failures": "[1 17 7]", "/v1/sessions": "[21 2]",
	} {
		if got := fmt.Sprint(l.pages(path)); got != want {
			t.Errorf("%s: pages of %s, want %s", path, got, want)
		}
	}
}

// TestTheLargestEvent that the limits allow is answered alone, within what clients take: of two, one at a time, for each has all
// the memory that answers have.
func TestTheLargestEvent(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	numbers := strings.Repeat("1e308,", event.MaxEventBytes/6-50)
	for n := range 2 {
		item := typed(fmt.Sprint(n), "s", "c", "n", time.Now())
		item.Original = fmt.Appendf(nil, `{"id":"%d","session_id":"s","category":"c","name":"n","data":{"n":[%s1]}}`, n, numbers)
		l.insert(l.request(shop, item))
	}
	reader, err := client.NewReader(client.Config{URL: l.url, Key: client.StaticKey(l.keys[shop])})
	l.must(err)
	defer reader.CloseIdleConnections()
	found := 0
	for e, err := range reader.Events(t.Context(), nil) {
		l.must(err)
		if found++; len(e.Data) < 50<<20 {
			t.Errorf("data of %d bytes", len(e.Data))
		}
	}
	h, err := reader.History(t.Context(), shop.String(), "0")
	l.must(err)
	if found != 2 || h.Event == nil {
		t.Errorf("%d events, a history %+v", found, h)
	}
}

// TestAHistoryIsBounded by the bytes of its Failures, and says that there are more.
func TestAHistoryIsBounded(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	original := `{"id":"a","session_id":"s","category":"c","name":"n"` + strings.Repeat("\x01", event.MaxEventBytes/4) + "}"
	for range 10 {
		failed := refused(original, string(event.CodeTooOld))
		failed.ID = "a"
		l.insert(l.request(shop, failed))
	}
	status, body := l.raw(l.url, l.keys[shop], "/v1/events/a")
	var h History
	l.must(json.Unmarshal(body, &h))
	if status != http.StatusOK || len(h.Failures) != 5 || !h.More || len(body) > maxPageBytes+1000 {
		t.Errorf("answered %d with %d failures in %d bytes", status, len(h.Failures), len(body))
	}
}

// TestAnswersShareTheirMemory: what is large waits for no connection's sake, small answers are given whatever others read,
// and all of it comes back.
func TestAnswersShareTheirMemory(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	l.store.held = semaphore.NewWeighted(600 << 10)
	l.url = l.serve(l.store, l.ring)
	for n := range 40 {
		item := typed(fmt.Sprint(n), "s", "c", "n", time.Now())
		item.Original = fmt.Appendf(nil, `{"id":"%d","session_id":"s","category":"c","name":"n","data":{"text":%q}}`, n, strings.Repeat("x", 25<<10))
		l.insert(l.request(shop, item, refused(strings.Repeat("x", 100<<10), string(event.CodeTooOld))))
	}
	whole := l.pages("/v1/events") // as far as there is memory: 24 events and then the rest
	if len(whole) < 2 || whole[0] < 20 {
		t.Errorf("pages of %v", whole)
	}
	l.eventually("all memory is given back", func() bool { return l.given(600 << 10) })
	l.must(l.store.held.Acquire(t.Context(), 600<<10))
	if got := fmt.Sprint(slices.Max(l.pages("/v1/events"))); got != "2" {
		t.Errorf("while others have all, pages of %s", got)
	}
	status, body := l.raw(l.url, adminToken, "/v1/failures")
	if status != http.StatusServiceUnavailable || !strings.Contains(string(body), "too many large answers") {
		t.Errorf("a large one is answered %d %s", status, body)
	}
	l.store.held.Release(600 << 10)
	l.eventually("all memory is given back", func() bool { return l.given(600 << 10) })
	var page FailurePage
	if l.get(shop, "/v1/failures", &page); len(page.Failures) != 6 || page.NextCursor == "" {
		t.Errorf("a page of %d, and then %q", len(page.Failures), page.NextCursor)
	}
}

// given tells whether nobody has any memory of answers.
func (l *library) given(all int64) bool {
	ok := l.store.held.TryAcquire(all)
	if ok {
		l.store.held.Release(all)
	}
	return ok
}

func next(cursor string) string {
	if cursor == "" {
		return ""
	}
	return "&cursor=" + url.QueryEscape(cursor)
}
