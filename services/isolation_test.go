package services_test

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// TestSlowReadsDoNotKeepEventsFromBeingStored has more reads wait for a lock than reads have connections, on a table that storing
// needs nothing of.
func TestSlowReadsDoNotKeepEventsFromBeingStored(t *testing.T) {
	s := newSystem(t, "")
	a := s.register("web", registry.Policy{})
	connect := func() *pgx.Conn {
		conn, err := pgx.Connect(t.Context(), s.postgresURL)
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}
	locker, observer := connect(), connect()
	defer observer.Close(t.Context()) //nolint:errcheck // the test's end
	count := func(want int, sql string) {
		eventually(t, func() error {
			var n int
			err := observer.QueryRow(t.Context(), sql).Scan(&n)
			if err == nil && n != want {
				err = fmt.Errorf("%s: %d, want %d", sql, n, want)
			}
			return err
		})
	}
	// Indexes are made beside writers at the start, and wait for whoever locks.
	count(1, "SELECT count(*) FROM pg_index WHERE indexrelid = to_regclass('persistence.sessions_first') AND indisvalid")
	if _, err := locker.Exec(t.Context(), "BEGIN; LOCK persistence.replays IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	var reads sync.WaitGroup
	for range 12 {
		reads.Go(func() { s.do(http.MethodGet, s.persistence.URL+"/v1/replays", "Bearer "+a.key, nil) })
	}
	const waitingReads = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'persistence.replays'::regclass"
	count(8, waitingReads)
	if status, body := s.post(a, eventJSON(0, 0)); status != http.StatusAccepted {
		t.Fatalf("answered %d %s", status, body)
	}
	count(1, "SELECT count(*) FROM persistence.events")
	var waiting int
	if err := observer.QueryRow(t.Context(), waitingReads).Scan(&waiting); err != nil || waiting == 0 {
		t.Errorf("%d reads were still waiting when the event was stored (%v): the test tests nothing", waiting, err)
	}
	if err := locker.Close(t.Context()); err != nil {
		t.Error(err)
	}
	reads.Wait()
}

// TestHangingPostgresIsAnswered503 freezes the server: a read is answered within its deadline, as an outage.
func TestHangingPostgresIsAnswered503(t *testing.T) {
	postgres := testenv.OwnPostgres(t)
	s := newSystem(t, postgres.URL())
	a := s.register("web", registry.Policy{})
	s.awaitEvents(a, url.Values{}, 0) // reads have a connection now, which will say nothing any more
	for _, pid := range s.backends(postgres.PID()) {
		freeze(t, pid)
	}
	status, body := s.do(http.MethodGet, s.persistence.URL+"/v1/events", "Bearer "+a.key, nil)
	if status != http.StatusServiceUnavailable || problem(body) != "service.unavailable" {
		t.Errorf("answered %d %s", status, body)
	}
}

// backends lists a postmaster and its children.
func (s *system) backends(postmaster int) []int {
	s.t.Helper()
	pids := []int{postmaster}
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", postmaster, postmaster))
	if err != nil {
		s.t.Fatal(err)
	}
	for text := range strings.FieldsSeq(string(children)) {
		pid, err := strconv.Atoi(text)
		if err != nil {
			s.t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	return pids
}

// freeze stops a process until the test's end.
func freeze(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGCONT) }) // it may have ended
}
