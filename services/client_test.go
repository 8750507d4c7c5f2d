package services_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/theeye-dev/theeye/api/apikey"
	"github.com/theeye-dev/theeye/api/client"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// mount writes what a client app finds where its Secret is mounted.
func mount(t *testing.T, url string, a application) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, content := range map[string]string{"uri": url + "/v1/events", "client-id": a.clientID, "api-key": a.key} {
		mountFile(t, dir, name, content)
	}
	return dir
}

// mountFile replaces a file at once, as the kubelet does.
func mountFile(t *testing.T, dir, name, content string) {
	t.Helper()
	next := filepath.Join(dir, "."+name)
	err := os.WriteFile(next, []byte(content+"\n"), 0o600)
	if err == nil {
		err = os.Rename(next, filepath.Join(dir, name))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// bound is a client app's client; it tries again fast.
func bound(t *testing.T, dir string) *client.Client {
	t.Helper()
	config, err := client.FromBinding(dir)
	if err != nil {
		t.Fatal(err)
	}
	config.MinBackoff, config.MaxBackoff, config.RetryFor = 5*time.Millisecond, 100*time.Millisecond, patience
	c, err := client.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func closeSender(t *testing.T, s *client.Sender) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Fatal(err)
	}
}

// TestClientDeliversExactlyOnceOverResets: connections break before, within and after the request and its answer, and
// ingest is killed; what is read back is each event once, in order.
func TestClientDeliversExactlyOnceOverResets(t *testing.T) {
	t.Parallel()
	s := newSystem(t, "")
	a := s.register("web", registry.Policy{})
	wire := newWire(t, s.ingest)
	const sessions, each = 20, 150
	var accepted atomic.Int64
	sender := bound(t, mount(t, wire.URL, a)).NewSender(client.SenderConfig{
		MaxEvents: 20, MaxDelay: 20 * time.Millisecond, QueueEvents: 500, Concurrency: 4,
		OnResult: func(r client.Result) {
			if r.Verdict.Status != client.Accepted {
				t.Errorf("%s: %+v %v", r.Event.ID, r.Verdict, r.Err)
			}
			accepted.Add(1)
		},
	})
	for n := range each {
		for session := range sessions {
			err := sender.Send(t.Context(), client.Event{
				SessionID: sessionName(session), Category: "page interaction", Name: "pageview", Data: map[string]any{"n": n},
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if n == each/3 || n == 2*each/3 {
			s.ingest.Restart() // killed with requests in hand
		}
	}
	closeSender(t, sender)
	if n := accepted.Load(); n != sessions*each {
		t.Errorf("%d events have results, want %d", n, sessions*each)
	}
	for kind := range wire.cuts {
		if n := wire.cuts[kind].Load(); n < 5 {
			t.Errorf("only %d connections were cut in way %d: the test tests too little", n, kind)
		}
	}
	workload{sessions: sessions, perSession: each}.verify(s, a)
	t.Logf("%+v", sender.Stats())
}

// TestClientFollowsItsSecret over a rotation, and waits while its application is suspended.
func TestClientFollowsItsSecret(t *testing.T) {
	t.Parallel()
	s := newSystem(t, "")
	a := s.register("web", registry.Policy{})
	dir := mount(t, s.ingest.URL, a)
	c := bound(t, dir)
	troubles := make(chan string, 1000)
	sender := c.NewSender(client.SenderConfig{MaxDelay: time.Millisecond, OnTrouble: func(err error, _ time.Duration) {
		select {
		case troubles <- err.Error():
		default: // enough
		}
	}})
	send := func() {
		t.Helper()
		if err := sender.Send(t.Context(), client.Event{SessionID: "s", Category: "c", Name: "n"}); err != nil {
			t.Fatal(err)
		}
	}
	awaitTrouble := func(code string) {
		t.Helper()
		deadline := time.NewTimer(patience)
		defer deadline.Stop()
		for {
			select {
			case trouble := <-troubles:
				if strings.Contains(trouble, code) {
					return
				}
			case <-deadline.C:
				t.Fatalf("no trouble with %s", code)
			}
		}
	}
	send()
	if err := sender.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	// The credential ends before the app's Secret has the new one.
	second := apikey.New("test", a.clientID, "2")
	s.mustAdmin(http.MethodPut, a.path()+"/credentials/2", registry.DesiredCredential{SHA256: registry.Digest(apikey.HashOf(second))})
	s.mustAdmin(http.MethodDelete, a.path()+"/credentials/1", nil)
	s.refuses(a)
	send()
	awaitTrouble("401 credential.invalid")
	if _, err := c.Post(t.Context(), []client.Event{{SessionID: "s", Category: "c", Name: "n"}}); err == nil {
		t.Error("a Post with the old key has no error")
	}
	mountFile(t, dir, "api-key", second)
	a.key = second
	s.awaitEvents(a, url.Values{}, 2)

	s.mustAdmin(http.MethodPut, a.path(), registry.DesiredApplication{Namespace: "shop", Name: "web", Policy: registry.Policy{Suspended: true}})
	eventually(t, func() error { // until ingest knows, events are still accepted: this one is no event
		if status, body := s.post(a, `[]`); status != http.StatusForbidden {
			return fmt.Errorf("answered %d %s", status, body)
		}
		return nil
	})
	send()
	awaitTrouble("403 application.suspended")
	s.mustAdmin(http.MethodPut, a.path(), registry.DesiredApplication{Namespace: "shop", Name: "web"})
	closeSender(t, sender)
	s.awaitEvents(a, url.Values{}, 3)
	if got := sender.Stats(); got.Accepted != 3 || got.Undelivered != 0 {
		t.Errorf("stats %+v", got)
	}
}

// refuses waits until ingest refuses an application's key.
func (s *system) refuses(a application) {
	s.t.Helper()
	eventually(s.t, func() error {
		if status, body := s.post(a, `[]`); status != http.StatusUnauthorized {
			return fmt.Errorf("answered %d %s", status, body)
		}
		return nil
	})
}

// TestClientTellsVerdicts: a bad event harms no other, and a backlog larger than a request goes in several.
func TestClientTellsVerdicts(t *testing.T) {
	t.Parallel()
	s := newSystem(t, "")
	maxBytes := 2000
	a := s.register("web", registry.Policy{Limits: &registry.Limits{MaxEventBytes: maxBytes}})
	events := make([]client.Event, client.MaxRequestEvents+10)
	for i := range events {
		events[i] = client.Event{SessionID: "s", Category: "c", Name: "n", Data: json.RawMessage(`{"big":12345678901234567890.50}`)}
	}
	want := map[int]client.Verdict{
		3:                           {Code: "event.too_large"},
		5:                           {Code: "json.nul", Pointer: "/data/a"},
		7:                           {Code: "field.length", Pointer: "/session_id"},
		11:                          {Code: "timestamp.too_old", Pointer: "/timestamp"},
		client.MaxRequestEvents + 9: {Code: "field.length", Pointer: "/name"},
	}
	events[3].Data = map[string]string{"a": strings.Repeat("x", maxBytes)}
	events[5].Data = map[string]string{"a": "\x00"}
	events[7].SessionID = ""
	events[11].Timestamp = time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)
	events[len(events)-1].Name = strings.Repeat("é", 129)
	c := bound(t, mount(t, testenv.Through(t, s.ingest.URL).URL, a))
	for range 2 { // the second time everything is known already
		verdicts, err := c.Post(t.Context(), events)
		if err != nil {
			t.Fatal(err)
		}
		for i, got := range verdicts {
			expected, bad := want[i]
			if !bad && got.Status != client.Accepted || bad && (got.Status != client.Rejected || got.Code != expected.Code || got.Pointer != expected.Pointer) {
				t.Errorf("event %d: %+v, want %+v", i, got, expected)
			}
		}
	}
	stored := s.awaitEvents(a, url.Values{}, len(events)-len(want))
	if got := string(stored[0].Data); got != `{"big": 12345678901234567890.50}` && got != `{"big":12345678901234567890.50}` {
		t.Errorf("data reads %s", got)
	}
	s.conserves()
	if _, err := c.Post(t.Context(), []client.Event{{SessionID: "s", Category: "c", Name: "n", Data: []int{1}}}); !errors.Is(err, client.ErrData) {
		t.Errorf("an array as data: %v", err)
	}
}
