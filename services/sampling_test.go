package services_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// TestAFloodOfBadEventsIsCountedExactly: 20,000 bad events of three codes in requests of every size, by two replicas of
// ingest, while persistence is killed with a batch in hand: what was answered is what is counted, in a bounded number of
// rows, and the accepted events between them are stored.
func TestAFloodOfBadEventsIsCountedExactly(t *testing.T) {
	s := newSystem(t, "")
	a := s.register("web", registry.Policy{})
	second := testenv.Start(t, testenv.Options{Name: "ingest", Env: []string{"THEEYE_REDIS_URL=" + s.redis.URL()}})
	doors := []string{s.ingest.URL, second.URL}
	text := strings.Repeat("x", 5500) // so that the budget of both is spent
	bad := map[string]string{
		"field.missing":    `{"session_id":"s","category":"c","data":{"text":"` + text + `"}}`,
		"field.unknown":    `{"session_id":"s","category":"c","name":"n","colour":"` + text[:2000] + `"}`,
		"event.not_object": `1`,
	}
	refused, accepted := map[string]int64{}, 0
	post := func(request int) {
		events := []string{fmt.Sprintf(`{"id":"good-%d","session_id":"s","category":"c","name":"n"}`, request)}
		for code, event := range bad {
			n := map[string]int{"field.missing": 550, "field.unknown": 400, "event.not_object": 50}[code]
			for range n {
				events = append(events, event)
			}
		}
		status, body := s.do(http.MethodPost, doors[request%2]+"/v1/events", "Bearer "+a.key, []byte("["+strings.Join(events, ",")+"]"))
		var answer struct {
			Accepted int
			Events   []struct{ Status, Code string }
		}
		if err := json.Unmarshal(body, &answer); err != nil || status != http.StatusAccepted {
			t.Fatalf("answered %d %s", status, body)
		}
		accepted += answer.Accepted
		for _, e := range answer.Events {
			if e.Status == "rejected" {
				refused[e.Code]++
			}
		}
	}
	const requests = 20
	for request := range requests / 2 {
		post(request)
	}
	posted := make(chan struct{})
	s.withWriteInHand("persistence.ledger", func() { defer close(posted); post(requests / 2) }, s.persistence.Kill)
	<-posted
	s.persistence.Restart()
	for request := requests/2 + 1; request < requests; request++ {
		post(request)
	}
	var total int64
	for _, n := range refused {
		total += n
	}
	eventually(t, func() error {
		if u := s.usage(a); u.Failed24h != total || u.Accepted24h != int64(accepted) {
			return fmt.Errorf("%d were refused and %d accepted, counted are %+v", total, accepted, u)
		}
		return nil
	})
	rows, events, left := s.failureCounts(a)
	for code, n := range refused {
		if events[code] != n {
			t.Errorf("of %s %d were refused, Failures stand for %d", code, n, events[code])
		}
	}
	if total != requests*1000 || rows >= int(total)/2 || left["field.missing"] == 0 || left["field.unknown"] == 0 || left["event.not_object"] > 0 {
		t.Errorf("of %d refused events there are %d rows, left out are the originals of %v", total, rows, left)
	}
	for _, p := range []*testenv.Process{s.ingest, second} {
		counted := s.metric(p, `theeye_refused_total{kept="count"`)
		if recorded := s.metric(p, `theeye_refused_total{kept="original"`); counted == 0 || recorded == 0 || counted+recorded != s.metric(p, `theeye_events_total{outcome="rejected"`) {
			t.Errorf("recorded %v, counted %v", recorded, counted)
		}
	}
	t.Logf("%d refused events are %d rows; left out by code: %v", total, rows, left)
	s.erase(a)
	if rows, _, _ := s.failureCounts(a); rows != 0 || s.usage(a).Failed24h != 0 {
		t.Errorf("after its erasure %d rows are left, usage %+v", rows, s.usage(a))
	}
}

// failureCounts reads all Failures of an application: their rows, the events that they stand for, and those of them
// whose originals were left out.
func (s *system) failureCounts(a application) (rows int, events, left map[string]int64) {
	s.t.Helper()
	events, left = map[string]int64{}, map[string]int64{}
	for cursor := ""; ; {
		status, body := s.do(http.MethodGet, s.persistence.URL+"/v1/failures?limit=1000"+cursor, "Bearer "+a.key, nil)
		var page struct {
			Failures []struct {
				Code    string
				Count   int64
				LeftOut bool `json:"original_left_out"`
			}
			NextCursor string `json:"next_cursor"`
		}
		if err := json.Unmarshal(body, &page); err != nil || status != http.StatusOK {
			s.t.Fatalf("failures: %d %s", status, body)
		}
		for _, f := range page.Failures {
			rows++
			events[f.Code] += f.Count
			if f.LeftOut {
				left[f.Code] += f.Count
			}
		}
		if page.NextCursor == "" {
			return rows, events, left
		}
		cursor = "&cursor=" + page.NextCursor
	}
}
