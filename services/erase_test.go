package services_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/theeye-dev/theeye/api/registry"
)

// TestEraseLeavesNothing erases one of two applications that share sessions, by the admin token, while posts go on:
// persistence is killed in the middle of it, and the request is sent again until it answers 204. Every accepted event
// has ended in one way, and the application lives on with the same ids.
func TestEraseLeavesNothing(t *testing.T) {
	s := newSystem(t, "")
	a, b := s.register("web", registry.Policy{}), s.register("blog", registry.Policy{})
	w := workload{sessions: 20, perSession: 50, workers: workers, batch: 25, resend: 0.1}
	for _, application := range []application{a, b} {
		if _, err := w.run(t.Context(), s, application); err != nil {
			t.Fatal(err)
		}
	}
	if status, body := s.post(a, `[`+eventJSON(0, 0)+`,{"session_id":"s"}]`); status != http.StatusAccepted {
		t.Fatalf("answered %d %s", status, body)
	}
	w.verify(s, b)
	s.awaitEvents(a, url.Values{}, w.events())
	s.conserves()

	erase := func(credential string) (int, []byte) {
		return s.do(http.MethodDelete, s.persistence.URL+a.path()+"/events", "Bearer "+credential, nil)
	}
	for credential, want := range map[string]int{a.key: http.StatusForbidden, b.key: http.StatusForbidden, "": http.StatusUnauthorized, "wrong": http.StatusUnauthorized} {
		if status, body := erase(credential); status != want {
			t.Errorf("with credential %q answered %d %s", credential, status, body)
		}
	}
	s.whileSweeping(func() {
		status, body := erase(adminToken)
		if status != http.StatusAccepted || !json.Valid(body) {
			t.Errorf("while the sweep is held up answered %d %s", status, body)
		}
		s.persistence.Kill()
	})
	s.persistence.Restart()
	s.erase(a)
	s.awaitEvents(a, url.Values{}, 0)
	if failures, err := s.failures(a); err != nil || len(failures) > 0 {
		t.Errorf("failures %v, %v", failures, err)
	}
	if u := s.usage(a); u.LastEventAt != nil || u.Accepted24h+u.Failed24h > 0 || len(u.Credentials) > 0 {
		t.Errorf("usage %+v", u)
	}
	s.awaitEvents(b, url.Values{}, w.events())
	if _, err := w.run(t.Context(), s, a); err != nil {
		t.Fatal(err)
	}
	w.verify(s, a)
	if u := s.usage(a); u.Accepted24h != int64(w.events()) || len(u.Credentials) != 1 {
		t.Errorf("usage of the second life %+v", u)
	}
}

// TestErasedEventsConserve erases while events are on their way: what was accepted and not yet stored is counted as
// erased.
func TestErasedEventsConserve(t *testing.T) {
	s := newSystem(t, "")
	a := s.register("web", registry.Policy{})
	w := workload{sessions: 60, perSession: 50, workers: workers, batch: 25, resend: 0.1}
	s.whileRunning(w, a, func() { s.erase(a) })
	s.conserves()
	if erased := s.metric(s.persistence, `theeye_events_total{outcome="erased"`); erased == 0 {
		t.Error("nothing was on its way when it was erased: the test tests too little")
	}
	if pending := s.metric(s.persistence, "theeye_erasures_pending"); pending != 0 {
		t.Errorf("%v erasures are pending", pending)
	}
}

// erase erases an application's events to the end: on a busy machine that takes longer than one request waits.
func (s *system) erase(a application) {
	s.t.Helper()
	eventually(s.t, func() error {
		if status, body := s.do(http.MethodDelete, s.persistence.URL+a.path()+"/events", "Bearer "+adminToken, nil); status != http.StatusNoContent {
			return fmt.Errorf("erasure answered %d %s", status, body)
		}
		return nil
	})
}

func (s *system) usage(a application) (u registry.Usage) {
	s.t.Helper()
	status, body := s.do(http.MethodGet, s.persistence.URL+a.path()+"/usage", "Bearer "+a.key, nil)
	if err := json.Unmarshal(body, &u); status != http.StatusOK || err != nil {
		s.t.Fatalf("usage: %d %s", status, body)
	}
	return u
}

// whileSweeping calls f while no failure can be erased: an erasure gets as far as them.
func (s *system) whileSweeping(f func()) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.postgresURL)
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close(ctx) //nolint:errcheck // it ends the transaction
	if _, err := conn.Exec(ctx, "BEGIN; LOCK persistence.failures IN SHARE MODE"); err != nil {
		s.t.Fatal(err)
	}
	f()
}
