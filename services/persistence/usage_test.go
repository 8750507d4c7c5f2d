package persistence

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/fault"
	"github.com/theeye-dev/theeye/services/internal/keyring"
)

// clocked makes what follows received at a time of its own.
func (f *fixture) clocked(now time.Time) {
	f.sequencer = event.NewSequencer(func() time.Time { return now })
}

func (f *fixture) usageAt(application uuid.UUID, now time.Time) registry.Usage {
	f.Helper()
	u, err := f.store.Usage(f.Context(), application, now)
	f.must(err)
	return u
}

// recounted checks that all counters are what a count of the rows themselves makes.
func (f *fixture) recounted(when string) {
	f.Helper()
	f.same(when+": usage", f.lines(`
		SELECT application::text, hour::text, outcome, sum(events)::bigint FROM (
		    SELECT application, date_trunc('hour', received_at) AS hour, 'stored' AS outcome, 1 AS events FROM persistence.events
		    UNION ALL SELECT application, date_trunc('hour', received_at), 'duplicate', 1 FROM persistence.duplicates
		    UNION ALL SELECT application, date_trunc('hour', received_at),
		        CASE WHEN stage = 'ingest' THEN 'refused' WHEN code = 'id.conflict' THEN 'conflict' ELSE 'failed' END, coalesce(events, 1)
		    FROM persistence.failures WHERE state <> 'replayed'
		) AS rows WHERE application IS NOT NULL AND application <> $1 GROUP BY 1, 2, 3 ORDER BY 1, 2, 3`, uuid.Nil),
		f.lines(`
		SELECT application::text, hour::text, outcome, sum(events)::bigint FROM persistence.usage
		GROUP BY 1, 2, 3 HAVING sum(events) <> 0 ORDER BY 1, 2, 3`))
	f.same(when+": types", f.lines(`
		SELECT application::text, hour::text, outcome, category, name, sum(events)::bigint FROM (
		    SELECT application, date_trunc('hour', received_at) AS hour, 'stored' AS outcome, category, name, 1 AS events FROM persistence.events
		    UNION ALL SELECT application, date_trunc('hour', received_at), 'duplicate', category, name, 1 FROM persistence.duplicates
		    UNION ALL SELECT application, date_trunc('hour', received_at),
		        CASE WHEN stage = 'ingest' THEN 'refused' WHEN code = 'id.conflict' THEN 'conflict' ELSE 'failed' END, category, name, coalesce(events, 1)
		    FROM persistence.failures WHERE state <> 'replayed'
		) AS rows WHERE application IS NOT NULL AND application <> $1 GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5`, uuid.Nil),
		f.lines(`
		SELECT application::text, hour::text, outcome, category, name, sum(events)::bigint FROM persistence.type_usage
		GROUP BY 1, 2, 3, 4, 5 HAVING sum(events) <> 0 ORDER BY 1, 2, 3, 4, 5`))
	f.same(when+": sessions",
		f.lines("SELECT session_id, application::text, min(occurred_at)::text, max(occurred_at)::text, count(*) FROM persistence.events GROUP BY 1, 2 ORDER BY 1, 2"),
		f.lines("SELECT session_id, application::text, first_at::text, last_at::text, events FROM persistence.sessions ORDER BY 1, 2"))
}

// TestUsageIsExact stores records of every outcome by two replicas, and redelivers some.
func TestUsageIsExact(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	now := time.Date(2026, time.May, 4, 12, 30, 0, 0, time.UTC)
	f.same("unknown", registry.Usage{
		Outcomes24h: map[string]int64{"stored": 0, "duplicate": 0, "conflict": 0, "failed": 0, "refused": 0},
		Credentials: []registry.CredentialUse{},
	}, f.usageAt(shop, now))

	f.clocked(now.Add(-time.Hour))
	first := f.request(shop, item("a", "s", ""), item("b", "s", ""), item("a", "s", ""), item("a", "t", ""),
		refused("{}", "field.missing"), event.Item{Original: []byte(`{"id":"x"`)})
	other := f.request(blog, item("a", "s", ""))
	f.insert(first, other)
	f.clocked(now.Add(-time.Minute))
	second := f.request(shop, item("c", "s", ""))
	second.Credential = "2"
	_, err := f.replica("second").Insert(t.Context(), records(f.entry(second, first)))
	f.must(err)
	f.clocked(now)
	third := f.request(shop, refused("{}", "field.missing"), item("c", "s", "")) // neither is stored
	f.insert(third)

	f.same("usage", registry.Usage{
		LastEventAt: &second.ReceivedAt, Accepted24h: 3, Failed24h: 4,
		Outcomes24h: map[string]int64{"stored": 3, "duplicate": 2, "conflict": 1, "failed": 1, "refused": 2},
		Credentials: []registry.CredentialUse{{ID: "1", LastUsedAt: third.ReceivedAt}, {ID: "2", LastUsedAt: second.ReceivedAt}},
	}, f.usageAt(shop, now))
	f.recounted("afterwards")
}

// TestUsageWindow moves the clock over the edges of the hours.
func TestUsageWindow(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	hour := time.Date(2026, time.May, 4, 12, 0, 0, 0, time.UTC)
	for n, received := range []time.Time{hour.Add(-time.Microsecond), hour, hour.Add(time.Hour - time.Microsecond), hour.Add(time.Hour)} {
		f.clocked(received)
		f.insert(f.request(shop, item(fmt.Sprint(n), "s", "")))
	}
	for _, c := range []struct {
		now  time.Time
		want int64
	}{
		{hour.Add(time.Hour), 4},
		{hour.Add(23 * time.Hour), 4},
		{hour.Add(23*time.Hour + time.Microsecond), 3}, // the hour of the first began more than 24 hours ago
		{hour.Add(24 * time.Hour), 3},
		{hour.Add(24*time.Hour + time.Microsecond), 1},
		{hour.Add(25 * time.Hour), 1},
		{hour.Add(25*time.Hour + time.Microsecond), 0},
	} {
		u := f.usageAt(shop, c.now)
		if u.Accepted24h != c.want || u.Outcomes24h["stored"] != c.want || u.LastEventAt == nil || !u.LastEventAt.Equal(hour.Add(time.Hour)) {
			t.Errorf("at %s: %+v, want %d accepted", c.now, u, c.want)
		}
	}
}

// TestUsageOfAnOlderReplica: what wrote no last_event_at is known to the hour.
func TestUsageOfAnOlderReplica(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	now := time.Date(2026, time.May, 4, 12, 30, 0, 0, time.UTC)
	f.clocked(now)
	f.insert(f.request(shop, item("a", "s", "")))
	_, err := f.pool.Exec(t.Context(), "UPDATE persistence.credential_usage SET last_event_at = NULL")
	f.must(err)
	if u := f.usageAt(shop, now); u.LastEventAt == nil || !u.LastEventAt.Equal(now.Truncate(time.Hour)) {
		t.Errorf("last event at %v", u.LastEventAt)
	}
}

// TestUsagePlans explains what usage is read by: keys of the counters, and no event.
func TestUsagePlans(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.insert(f.request(shop, item("a", "s", "")))
	for _, statement := range []string{
		`INSERT INTO persistence.usage SELECT md5(n::text)::uuid, now() - h * interval '1 hour', 'stored', 'w', 1
		FROM generate_series(1, 500) n, generate_series(1, 50) h`,
		"INSERT INTO persistence.credential_usage SELECT md5(n::text)::uuid, '1', 'w', now() FROM generate_series(1, 5000) n",
		`INSERT INTO persistence.ledger SELECT '` + blog.String() + `', n::text, md5(n::text)::uuid, md5(n::text)::uuid, now() FROM generate_series(1, 20000) n`,
		"ANALYZE persistence.usage, persistence.credential_usage, persistence.ledger",
	} {
		_, err := f.pool.Exec(t.Context(), statement)
		f.must(err)
	}
	for sql, args := range map[string][]any{
		usageOutcomes: {shop, time.Now().Add(-24 * time.Hour)}, usageUses: {shop}, usageLastHour: {shop}, left: {shop},
	} {
		plan := strings.Join(f.lines("EXPLAIN (COSTS OFF) "+sql, args...), "\n")
		if strings.Contains(plan, "Seq Scan") || strings.Contains(plan, " on events") || !strings.Contains(plan, "(application = ") {
			t.Errorf("%s\nis read by\n%s", sql, plan)
		}
	}
}

func TestUsageOverHTTP(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	l.insert(l.request(shop, item("a", "s", ""), refused("{}", "field.missing")))
	var u registry.Usage
	l.get(shop, "/v1/applications/"+shop.String()+"/usage", &u)
	if u.Accepted24h != 1 || u.Failed24h != 1 || u.LastEventAt == nil || len(u.Credentials) != 1 {
		t.Errorf("usage %+v", u)
	}
	status, body := l.raw(l.url, operatorToken, "/v1/applications/"+uuid.NewString()+"/usage")
	if status != http.StatusNotFound || !strings.Contains(string(body), `"code":"not_found","detail":"there is no application with this uid`) {
		t.Errorf("of an unknown application: %d %s", status, body)
	}
	const zeros = `{"accepted_24h":0,"failed_24h":0,"outcomes_24h":{"conflict":0,"duplicate":0,"failed":0,"refused":0,"stored":0},"credentials":[]}` + "\n"
	if status, body := l.raw(l.url, operatorToken, "/v1/applications/"+blog.String()+"/usage"); status != http.StatusOK || string(body) != zeros {
		t.Errorf("of one that has sent nothing: %d %s", status, body)
	}
}

// TestUsageOfADeletedApplication is told for as long as anything of it is kept, whatever that is; and of none before it is
// known which there are.
func TestUsageOfADeletedApplication(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	ask := func(base string, uid uuid.UUID) (int, fault.Code) {
		status, code, _ := l.ask(http.MethodGet, base, "/v1/applications/"+uid.String()+"/usage", "Bearer "+operatorToken)
		return status, code
	}
	starting := l.serve(l.store, keyring.New(time.Now))
	for what, kept := range map[string][]string{
		"counters": {"usage"}, "credentials": {"credential_usage"}, "events": {"events", "ledger"}, "failures": {"failures"},
	} {
		gone := uuid.New()
		l.insert(l.request(gone, item("e", "s", ""), refused("{}", "field.missing")))
		for _, table := range []string{"usage", "type_usage", "credential_usage", "events", "ledger", "failures", "sessions", "types"} {
			if !slices.Contains(kept, table) {
				_, err := l.pool.Exec(t.Context(), "DELETE FROM persistence."+table+" WHERE application = $1", gone)
				l.must(err)
			}
		}
		if status, _ := ask(l.url, gone); status != http.StatusOK {
			t.Errorf("of one of which only %s are kept: %d", what, status)
		}
		if status, _ := ask(starting, gone); status != http.StatusOK {
			t.Errorf("the same before the application log is read: %d", status)
		}
	}
	erased := uuid.New()
	l.insert(l.request(erased, item("e", "s", ""), item("e", "s", ""), refused("{}", "field.missing")))
	status, _, _ := l.ask(http.MethodDelete, l.working(l.ring), "/v1/applications/"+erased.String()+"/events", "Bearer "+operatorToken)
	if status != http.StatusNoContent {
		t.Fatalf("erasing is answered %d", status)
	}
	if status, code := ask(l.url, erased); status != http.StatusNotFound || code != fault.CodeNotFound {
		t.Errorf("of one that is erased: %d %s", status, code)
	}
	if status, code := ask(starting, uuid.New()); status != http.StatusServiceUnavailable || code != fault.CodeStarting {
		t.Errorf("of one that may be known by now: %d %s", status, code)
	}
}
