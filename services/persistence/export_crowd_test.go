package persistence

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"
	"weak"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/client"
	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/services/internal/fault"
)

// exportOf is a question for all that an application may export.
func (l *library) exportOf(r *Reader, application uuid.UUID) exportQuestion {
	l.Helper()
	request := httptest.NewRequestWithContext(l.Context(), http.MethodGet, "/v1/export", nil)
	request.Header.Set("Authorization", "Bearer "+l.keys[application])
	q, err := r.decodeExport(l.Context(), request)
	l.must(err)
	return q
}

// TestNobodyTakesAllExports: an application has some, and waits for its own; all have some more, and who leaves makes room.
func TestNobodyTakesAllExports(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	reader := l.reader(time.Now)
	x, q := reader.exporter(), l.exportOf(reader, shop)
	ctx, cancel := context.WithCancel(t.Context())
	for range maxOwnExports {
		if _, err := x.begin(ctx, q); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := x.begin(t.Context(), q); fault.ProblemOf(err).Code != fault.CodeManyExports {
		t.Errorf("one too many of an application: %v", err)
	}
	other := l.exportOf(reader, blog)
	if _, err := x.begin(ctx, other); err != nil {
		t.Errorf("another application's: %v", err)
	}
	for x.seats.total() < maxExports {
		other.by = uuid.New()
		if _, err := x.begin(ctx, other); err != nil {
			t.Fatal(err)
		}
	}
	other.by = uuid.Nil
	if _, err := x.begin(t.Context(), other); fault.ProblemOf(err).Code != fault.CodeOverloaded {
		t.Errorf("one too many of all: %v", err)
	}
	cancel()
	l.eventually("all seats are free", func() bool { return x.seats.total() == 0 })
	if _, err := x.begin(t.Context(), q); err != nil {
		t.Errorf("after the others: %v", err)
	}
}

// sluggish takes no more than some bytes.
type sluggish struct {
	*httptest.ResponseRecorder
	left    int
	reached chan struct{}
}

func (s *sluggish) Write(p []byte) (int, error) {
	if s.left -= len(p); s.left >= 0 {
		return s.ResponseRecorder.Write(p) //nolint:wrapcheck // a recorder's
	}
	s.reached <- struct{}{}
	<-s.reached
	return 0, errors.New("gone")
}

// TestAnExportKeepsOnePage, and nothing of those before while a client takes its time.
func TestAnExportKeepsOnePage(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	for n := range 3 {
		var items []event.Item
		for i := range 500 {
			one := typed(fmt.Sprint(n, "-", i), "s", "c", "n", time.Now())
			one.Original = fmt.Appendf(nil, `{"id":"%d-%d","session_id":"s","category":"c","name":"n","data":{"text":%q}}`, n, i, strings.Repeat("x", 1000))
			items = append(items, one)
		}
		l.insert(l.request(shop, items...))
	}
	reader := l.reader(time.Now)
	q := l.exportOf(reader, shop)
	q.again = func(_ context.Context, s Scope) (Scope, error) { return s, nil }
	x, err := reader.exporter().begin(t.Context(), q)
	l.must(err)
	first := weak.Make(&x.first.Events[0])
	w := &sluggish{httptest.NewRecorder(), 700 << 10, make(chan struct{})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = x.write(t.Context(), w)
	}()
	<-w.reached // in the second page
	runtime.GC()
	if first.Value() != nil {
		t.Error("the first page is kept while the second one is written")
	}
	w.reached <- struct{}{}
	<-done
	runtime.KeepAlive(x)
}

// TestAnExportGetsPastTheLargestEvent, with what all answers share.
func TestAnExportGetsPastTheLargestEvent(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	for n, numbers := range []string{"", strings.Repeat("1e308,", event.MaxEventBytes/6-50), ""} {
		one := typed(fmt.Sprint(n), "s", "c", "n", time.Now().Add(time.Duration(n-5)*time.Second))
		one.Original = fmt.Appendf(nil, `{"id":"%d","session_id":"s","category":"c","name":"n","data":{"n":[%s1]}}`, n, numbers)
		l.insert(l.request(shop, one))
	}
	reader, err := client.NewReader(client.Config{URL: l.url, Key: client.StaticKey(l.keys[shop]), RetryFor: 20 * time.Second})
	l.must(err)
	defer reader.CloseIdleConnections()
	var ids []string
	for e, err := range reader.Export(t.Context(), nil) {
		l.must(err)
		ids = append(ids, e.ID)
	}
	l.same("exported", "[0 1 2]", fmt.Sprint(ids))
}
