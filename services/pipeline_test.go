// Package services_test runs TheEye whole: auth, ingest and persistence as processes, on a real Redis and a real
// PostgreSQL, from the POST to the row and back.
package services_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/theeye-dev/theeye/api/apikey"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// workers that post at once while something is killed.
const workers = 16

// workload posts events of many sessions at once, each session's in order, singly and in batches, and sends some of
// them again.
type workload struct {
	sessions, perSession, workers int
	batch                         int      // events of a batch; every second session uses batches
	resend                        float64  // share of posts that are sent a second time
	reached                       chan int // when not nil: gets every session as it begins
}

func (w workload) events() int { return w.sessions * w.perSession }

func sessionName(session int) string { return fmt.Sprintf("session-%04d", session) }

func eventJSON(session, n int) string {
	return fmt.Sprintf(`{"id":"%d.%d","session_id":%q,"category":"page interaction","name":"pageview","data":{"n":%d,"path":"/a/%d"}}`,
		session, n, sessionName(session), n, n)
}

// run posts everything until it is accepted and returns how many posts were repeated, of either kind.
func (w workload) run(ctx context.Context, s *system, a application) (repeated int, err error) {
	var mu sync.Mutex
	var errs []error
	var wg sync.WaitGroup
	next := make(chan int)
	for worker := range w.workers {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(worker)))
			for session := range next {
				again, err := w.session(ctx, s, a, session, random)
				mu.Lock()
				repeated += again
				errs = append(errs, err)
				mu.Unlock()
			}
		})
	}
	for session := range w.sessions {
		next <- session
		if w.reached != nil {
			w.reached <- session
		}
	}
	close(next)
	wg.Wait()
	return repeated, errors.Join(errs...)
}

func (w workload) session(ctx context.Context, s *system, a application, session int, random *rand.Rand) (repeated int, err error) {
	size := 1
	if session%2 == 1 {
		size = w.batch
	}
	for n := 0; n < w.perSession; n += size {
		var parts []string
		for i := n; i < min(n+size, w.perSession); i++ {
			parts = append(parts, eventJSON(session, i))
		}
		body := parts[0]
		if size > 1 {
			body = "[" + strings.Join(parts, ",") + "]"
		}
		times := 1
		if random.Float64() < w.resend {
			times = 2
		}
		for range times {
			attempts, err := s.insist(ctx, a, body)
			repeated += attempts - 1
			if err != nil {
				return repeated, fmt.Errorf("session %d event %d: %w", session, n, err)
			}
		}
		repeated += times - 1
	}
	return repeated, nil
}

// verify waits until everything is stored and checks that each event is there once and every session reads in order.
func (w workload) verify(s *system, a application) {
	s.t.Helper()
	all := s.awaitEvents(a, url.Values{}, w.events())
	ids := map[string]int{}
	for _, e := range all {
		ids[e.ID]++
	}
	if len(ids) != w.events() {
		s.t.Errorf("%d different ids among %d events, want %d", len(ids), len(all), w.events())
	}
	for session := range w.sessions {
		events, err := s.events(a, url.Values{"session_id": {sessionName(session)}})
		if err != nil {
			s.t.Fatal(err)
		}
		for i, e := range events {
			var data struct{ N int }
			if err := json.Unmarshal(e.Data, &data); err != nil || data.N != i || e.Type != "page interaction pageview" {
				s.t.Fatalf("session %d reads %+v (%s) at place %d", session, e, e.Data, i)
			}
		}
		if len(events) != w.perSession {
			s.t.Errorf("session %d has %d events, want %d", session, len(events), w.perSession)
		}
	}
	if failures, err := s.failures(a); err != nil || len(failures) > 0 {
		s.t.Errorf("failures: %v %v", failures, err)
	}
}

func TestTenThousandEventsArriveExactlyOnceAndInOrder(t *testing.T) {
	s := newSystem(t, "")
	a := s.register("web", registry.Policy{})
	w := workload{sessions: 200, perSession: 50, workers: 32, batch: 25, resend: 0.1}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	repeated, err := w.run(ctx, s, a)
	if err != nil {
		t.Fatal(err)
	}
	if repeated < 300 { // of about 5,200 posts a tenth
		t.Errorf("only %d posts were repeated: the test tests too little", repeated)
	}
	w.verify(s, a)
	s.conserves()
}

func TestWrongCredentialsAreRefused(t *testing.T) {
	s := newSystem(t, "")
	a, b := s.register("a", registry.Policy{}), s.register("b", registry.Policy{})
	unknown := apikey.New("test", a.clientID, "2")
	for name, header := range map[string]string{
		"none":                "",
		"unknown key":         "Bearer " + unknown,
		"mistyped key":        "Bearer " + a.key[:len(a.key)-1] + "!",
		"no key":              "Bearer ",
		"key of another":      basic(b.clientID, a.key),
		"wrong basic secret":  basic(a.clientID, unknown),
		"no client id":        basic("", a.key),
		"scheme that is none": "Token " + a.key,
	} {
		status, body := s.do(http.MethodPost, s.ingest.URL+"/v1/events", header, []byte(eventJSON(0, 0)))
		if status != http.StatusUnauthorized || problem(body) != "credential.invalid" {
			t.Errorf("%s: answered %d %s", name, status, body)
		}
	}
	for name, header := range map[string]string{"api key": "Bearer " + a.key, "basic": basic(a.clientID, a.key)} {
		if status, body := s.do(http.MethodPost, s.ingest.URL+"/v1/events", header, []byte(eventJSON(0, 0))); status != http.StatusAccepted {
			t.Errorf("%s: answered %d %s", name, status, body)
		}
	}
}

func TestInvalidEventIsRejectedAloneAndBecomesFailure(t *testing.T) {
	s := newSystem(t, "")
	a := s.register("web", registry.Policy{})
	bad := `{"id":"bad","session_id":"s","category":"c","name":"n","data":{"text":"\u0000"}}`
	late := `{"id":"late","session_id":"s","category":"c","name":"n","timestamp":"2001-01-01T00:00:00Z"}`
	status, body := s.post(a, "["+eventJSON(0, 0)+","+bad+","+eventJSON(0, 1)+","+late+"]")
	if status != http.StatusAccepted {
		t.Fatalf("answered %d %s", status, body)
	}
	var receipt struct {
		Accepted, Rejected int
		Events             []struct{ ID, Status, Code, Pointer string }
	}
	if err := json.Unmarshal(body, &receipt); err != nil {
		t.Fatal(err)
	}
	if receipt.Accepted != 2 || receipt.Rejected != 2 || receipt.Events[0].Status != "accepted" ||
		receipt.Events[1].Code != "json.nul" || receipt.Events[1].Pointer != "/data/text" ||
		receipt.Events[3].Code != "timestamp.too_old" || receipt.Events[3].ID != "late" {
		t.Errorf("receipt %s", body)
	}
	s.awaitEvents(a, url.Values{}, 2)
	eventually(t, func() error {
		failures, err := s.failures(a)
		if err != nil || len(failures) != 2 {
			return fmt.Errorf("failures %+v: %w", failures, err)
		}
		if f := failures[1]; f.Code != "json.nul" || f.Original != bad || f.Stage != "ingest" || f.State != "open" {
			return fmt.Errorf("failure %+v", f)
		}
		if f := failures[0]; f.Code != "timestamp.too_old" || f.Original != late || f.EventID != "late" {
			return fmt.Errorf("failure %+v", f)
		}
		return nil
	})
}

func TestRevokedCredentialStopsWithinASecond(t *testing.T) {
	s := newSystem(t, "")
	a := s.register("web", registry.Policy{})
	if status, body := s.post(a, eventJSON(0, 0)); status != http.StatusAccepted {
		t.Fatalf("answered %d %s", status, body)
	}
	s.mustAdmin(http.MethodDelete, a.path()+"/credentials/1", nil)
	answered := time.Now()
	for n := 1; ; n++ {
		sent := time.Now()
		status, body := s.post(a, eventJSON(0, n))
		if status == http.StatusUnauthorized {
			break
		}
		if status == http.StatusAccepted && sent.Sub(answered) > time.Second {
			t.Fatalf("accepted %s after the revocation: %s", sent.Sub(answered), body)
		}
		if sent.Sub(answered) > patience {
			t.Fatalf("never refused; the last answer was %d %s", status, body)
		}
	}
	if status, body := s.post(a, eventJSON(1, 0)); status != http.StatusUnauthorized {
		t.Errorf("after the first refusal answered %d %s", status, body)
	}
}

func TestSameIDWithOtherContentBecomesFailure(t *testing.T) {
	s := newSystem(t, "")
	a, b := s.register("a", registry.Policy{}), s.register("b", registry.Policy{})
	first := `{"id":"x","session_id":"s","category":"c","name":"n","data":{"a":1,"b":2}}`
	same := `{"name":"n","category":"c","session_id":"s","data":{"b":2.0,"a":1},"id":"x"}`
	other := `{"id":"x","session_id":"s","category":"c","name":"n","data":{"a":1,"b":3}}`
	for _, body := range []string{first, same, other} {
		if status, answer := s.post(a, body); status != http.StatusAccepted {
			t.Fatalf("%s: answered %d %s", body, status, answer)
		}
	}
	if status, answer := s.post(b, other); status != http.StatusAccepted {
		t.Fatalf("the other application: answered %d %s", status, answer)
	}
	if status, answer := s.post(a, "["+first+","+other+"]"); status != http.StatusAccepted || !strings.Contains(string(answer), "id.conflict") {
		t.Fatalf("within one request: answered %d %s", status, answer)
	}
	eventually(t, func() error {
		failures, err := s.failures(a)
		if err != nil || len(failures) != 2 {
			return fmt.Errorf("failures %+v: %w", failures, err)
		}
		stages := map[string]bool{}
		for _, f := range failures {
			if f.Code != "id.conflict" || f.Original != other {
				return fmt.Errorf("failure %+v", f)
			}
			stages[f.Stage] = true
		}
		if !stages["ingest"] || !stages["persistence"] {
			return fmt.Errorf("stages %v", stages)
		}
		return nil
	})
	if events := s.awaitEvents(a, url.Values{}, 1); !strings.Contains(string(events[0].Data), "2") {
		t.Errorf("stored %s", events[0].Data)
	}
	s.awaitEvents(b, url.Values{}, 1)
}

func TestKilledPersistenceLosesAndDuplicatesNothing(t *testing.T) {
	s := newSystem(t, "")
	a := s.register("web", registry.Policy{})
	w := workload{sessions: 60, perSession: 50, workers: workers, batch: 25, resend: 0.1}
	s.whileRunning(w, a, func() {
		s.withBatchInHand(s.persistence.Kill)
		s.persistence.Restart()
	})
	w.verify(s, a)
	if again := s.metric(s.persistence, "theeye_redeliveries_total"); again == 0 {
		t.Error("nothing was delivered again after the last kill: no batch was in hand")
	}
}

func TestKilledIngestLosesAndDuplicatesNothing(t *testing.T) {
	s := newSystem(t, "")
	a := s.register("web", registry.Policy{})
	w := workload{sessions: 60, perSession: 50, workers: workers, batch: 25, resend: 0.1}
	repeated := s.whileRunning(w, a, func() {
		s.withAppendInHand(s.ingest.Kill)
		s.ingest.Restart()
	})
	if repeated < 3 {
		t.Errorf("%d posts had to be repeated: ingest was not killed mid-request three times", repeated)
	}
	w.verify(s, a)
}

func TestRedisOutageHeals(t *testing.T) {
	s := newSystem(t, "")
	a := s.register("web", registry.Policy{})
	w := workload{sessions: 40, perSession: 50, workers: workers, batch: 25, resend: 0.1}
	s.whileRunning(w, a, func() {
		if err := s.redis.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		s.seesOutage(a)
		if err := s.redis.Restart(t.Context()); err != nil {
			t.Error(err)
		}
	})
	w.verify(s, a)
}

func TestPostgresOutageHeals(t *testing.T) {
	postgres := testenv.OwnPostgres(t)
	s := newSystem(t, postgres.URL())
	a := s.register("web", registry.Policy{})
	w := workload{sessions: 40, perSession: 50, workers: workers, batch: 25, resend: 0.1}
	s.whileRunning(w, a, func() {
		if err := postgres.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		// Events are taken in all the same; that the store is away shows in readiness, and only with ?full.
		s.awaitStatus(s.persistence.OpsURL+"/readyz?full", http.StatusServiceUnavailable)
		s.awaitStatus(s.persistence.OpsURL+"/readyz", http.StatusOK)
		if _, err := s.insist(t.Context(), a, eventJSON(0, 0)); err != nil {
			t.Errorf("while PostgreSQL is away: %v", err)
		}
		if err := postgres.Restart(t.Context()); err != nil {
			t.Error(err)
		}
	})
	w.verify(s, a)
}

// disturbances of one workload.
const disturbances = 3

// whileRunning disturbs a workload three times, each time once it has moved on by a quarter, and returns how many
// posts were repeated.
func (s *system) whileRunning(w workload, a application, disturb func()) (repeated int) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 2*patience)
	defer cancel()
	w.reached = make(chan int, w.sessions)
	done := make(chan error, 1)
	go func() {
		var err error
		repeated, err = w.run(ctx, s, a)
		done <- err
	}()
	for i := range disturbances {
		for session := range w.reached {
			if session >= w.sessions*(i+1)/(disturbances+1) {
				break
			}
		}
		disturb()
	}
	if err := <-done; err != nil {
		s.t.Fatal(err)
	}
	return repeated
}

// withBatchInHand calls f while persistence is within a transaction that holds events: the ledger is locked until f
// has returned.
func (s *system) withBatchInHand(f func()) {
	s.t.Helper()
	s.withWriteInHand("persistence.ledger", func() {}, f)
}

// withWriteInHand locks a table, begins something that makes a service write to it, and calls f while the service waits.
// The table is locked until f has returned.
func (s *system) withWriteInHand(table string, begin, f func()) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.postgresURL)
	if err != nil {
		s.t.Error(err)
		return
	}
	defer conn.Close(ctx) //nolint:errcheck // it ends the transaction
	if _, err := conn.Exec(ctx, "BEGIN; LOCK "+table+" IN EXCLUSIVE MODE"); err != nil {
		s.t.Error(err)
		return
	}
	go begin()
	eventually(s.t, func() error {
		var waiting bool
		err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = $1::text::regclass)", table).Scan(&waiting)
		if err == nil && !waiting {
			err = errors.New("nobody writes to " + table)
		}
		return err
	})
	f()
}

// withAppendInHand calls f while ingest waits for Redis' answer: Redis is frozen meanwhile, and may carry out what it
// was sent when f has returned.
func (s *system) withAppendInHand(f func()) {
	s.t.Helper()
	if err := s.redis.Signal(syscall.SIGSTOP); err != nil {
		s.t.Error(err)
	}
	eventually(s.t, func() error {
		if waiting := s.posting.Load(); waiting < workers/2 {
			return fmt.Errorf("%d posts wait for an answer", waiting)
		}
		return nil
	})
	f()
	if err := s.redis.Signal(syscall.SIGCONT); err != nil {
		s.t.Error(err)
	}
}

// conserves checks that every accepted event has ended in exactly one way.
func (s *system) conserves() {
	s.t.Helper()
	outcome := func(p *testenv.Process, name string) float64 {
		return s.metric(p, `theeye_events_total{outcome="`+name+`"`)
	}
	accepted := outcome(s.ingest, "accepted")
	eventually(s.t, func() error {
		ended := 0.0
		for _, name := range []string{"stored", "duplicate", "conflict", "failed", "erased"} {
			ended += outcome(s.persistence, name)
		}
		if ended != accepted || accepted == 0 {
			return fmt.Errorf("%v events were accepted and %v have ended", accepted, ended)
		}
		return nil
	})
}

// metric sums a counter over its labels.
func (s *system) metric(p *testenv.Process, name string) (sum float64) {
	s.t.Helper()
	status, body := s.do(http.MethodGet, p.OpsURL+"/metrics", "", nil)
	if status != http.StatusOK {
		s.t.Fatalf("metrics: %d %s", status, body)
	}
	for line := range strings.Lines(string(body)) {
		if rest, ok := strings.CutPrefix(line, name); ok && strings.ContainsAny(rest[:1], "{ ,}") {
			value, err := strconv.ParseFloat(strings.TrimSpace(rest[strings.LastIndexByte(rest, ' '):]), 64)
			if err != nil {
				s.t.Fatal(err)
			}
			sum += value
		}
	}
	return sum
}

// seesOutage waits until a stopped Redis shows: 503 with Retry-After at the door, and in readiness with ?full.
func (s *system) seesOutage(a application) {
	s.t.Helper()
	eventually(s.t, func() error {
		if status, body := s.post(a, eventJSON(0, 0)); status != http.StatusServiceUnavailable {
			return fmt.Errorf("without redis answered %d %s", status, body)
		}
		return nil
	})
	s.awaitStatus(s.ingest.OpsURL+"/readyz?full", http.StatusServiceUnavailable)
	s.awaitStatus(s.ingest.OpsURL+"/readyz", http.StatusOK)
}

func (s *system) awaitStatus(target string, want int) {
	s.t.Helper()
	eventually(s.t, func() error {
		if status, body := s.do(http.MethodGet, target, "", nil); status != want {
			return fmt.Errorf("%s answers %d %s, want %d", target, status, body, want)
		}
		return nil
	})
}

func basic(user, password string) string {
	request := http.Request{Header: http.Header{}}
	request.SetBasicAuth(user, password)
	return request.Header.Get("Authorization")
}

func problem(body []byte) string {
	var p struct{ Code string }
	_ = json.Unmarshal(body, &p)
	return p.Code
}

// TestServerGivenIDsAreThoseAnswered posts events without ids: what the receipt says is what is stored, and an
// Idempotency-Key makes it the same the second time.
func TestServerGivenIDsAreThoseAnswered(t *testing.T) {
	s := newSystem(t, "")
	a := s.register("web", registry.Policy{})
	body := `[{"session_id":"s","category":"c","name":"bad","data":1},{"session_id":"s","category":"c","name":"one"},{"session_id":"s","category":"c","name":"two"}]`
	var answered []string
	post := func(key string) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.ingest.URL+"/v1/events", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+a.key)
		if key != "" {
			request.Header.Set("Idempotency-Key", key)
		}
		response, err := s.client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close() //nolint:errcheck // only read
		var receipt struct{ Events []struct{ ID, Status string } }
		if err := json.NewDecoder(response.Body).Decode(&receipt); err != nil {
			t.Fatal(err)
		}
		for _, e := range receipt.Events {
			if e.Status == "accepted" {
				answered = append(answered, e.ID)
			}
		}
	}
	post("")
	post("once")
	post("once")
	if len(answered) != 6 || answered[2] != answered[4] || answered[3] != answered[5] {
		t.Fatalf("accepted as %v", answered)
	}
	stored := map[string]bool{}
	for _, e := range s.awaitEvents(a, url.Values{}, 4) {
		stored[e.ID] = true
	}
	for _, id := range answered {
		if !stored[id] {
			t.Errorf("%s was answered, stored are %v", id, stored)
		}
	}
}

// TestEveryPublicPortServesTheContract reads the OpenAPI document and the health of every service, as a newcomer does.
func TestEveryPublicPortServesTheContract(t *testing.T) {
	s := newSystem(t, "")
	for name, p := range map[string]*testenv.Process{"auth": s.auth, "ingest": s.ingest, "persistence": s.persistence} {
		status, body := s.do(http.MethodGet, p.URL+"/openapi.yaml", "", nil)
		if status != http.StatusOK || !strings.HasPrefix(string(body), "openapi: 3.1") {
			t.Errorf("%s answers %d %.40s", name, status, body)
		}
		for _, base := range []string{p.URL, p.OpsURL} {
			for _, path := range []string{"/healthz", "/readyz", "/readyz?full"} {
				if status, body := s.do(http.MethodGet, base+path, "", nil); status != http.StatusOK {
					t.Errorf("%s: %s answers %d %s", name, path, status, body)
				}
			}
		}
		if status, body := s.do(http.MethodGet, p.URL+"/nothing", "", nil); status != http.StatusNotFound || problem(body) != "not_found" {
			t.Errorf("%s: an unknown path answers %d %s", name, status, body)
		}
	}
}
