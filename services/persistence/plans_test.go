package persistence

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/theeye-dev/theeye/services/internal/postgres"
)

// planned is a database with enough rows that reading more than a question needs shows in its plan: three applications,
// ten days, types from common to rare, so many of them once only that any type is taken for rare, and sessions.
type planned struct {
	*fixture
	base time.Time
}

const plannedDays, plannedRows = 10, 30_000

func newPlanned(t *testing.T) *planned {
	t.Helper()
	p := &planned{newFixture(t), time.Date(2024, time.June, 10, 0, 0, 0, 0, time.UTC)}
	var days []time.Time
	for n := range plannedDays {
		days = append(days, p.base.AddDate(0, 0, n))
	}
	p.must(p.store.days.ensure(t.Context(), p.pool, days))
	p.must(p.store.EnsureIndexes(t.Context()))
	statements := []string{
		fmt.Sprintf(`
		INSERT INTO persistence.events (application, id, session_id, category, name, data, occurred_at, received_at, sequence, credential)
		SELECT (ARRAY['%s', '%s', 'cccccccc-0000-4000-8000-000000000003'])[1 + n %% 3]::uuid, n::text, 's' || n / 20,
		    CASE WHEN n %% 1000 = 7 THEN 'rare' WHEN n %% 20 = 9 THEN 'odd' ELSE 'page' END,
		    CASE WHEN n %% 20 = 9 THEN 'odd' || n ELSE 'name' || n %% 7 END, jsonb_build_object('n', n, 'even', n %% 2 = 0),
		    '2024-06-10'::timestamptz + n * interval '%d days' / %d, now(), gen_random_uuid(), '1'
		FROM generate_series(0, %d) AS n`, shop, blog, plannedDays, plannedRows, plannedRows-1),
		`INSERT INTO persistence.ledger SELECT application, id, gen_random_uuid(), sequence, occurred_at FROM persistence.events`,
		`INSERT INTO persistence.sessions SELECT session_id, application, min(occurred_at), max(occurred_at), count(*) FROM persistence.events GROUP BY 1, 2`,
		`INSERT INTO persistence.usage SELECT application, date_trunc('hour', occurred_at), 'stored', 'w', count(*) FROM persistence.events GROUP BY 1, 2`,
		`INSERT INTO persistence.type_usage SELECT application, date_trunc('hour', occurred_at), 'stored', category, name, 'w', count(*) FROM persistence.events GROUP BY 1, 2, 4, 5`,
		`INSERT INTO persistence.failures (sequence, application, credential, event_id, code, detail, pointers, stage, received_at, original, truncated, session_id, state)
		SELECT gen_random_uuid(), application, '1', id,
		    CASE WHEN id::int % 1000 = 5 THEN 'id.conflict' WHEN id::int % 10 = 3 THEN 'schema.mismatch' ELSE 'field.missing' END, '', '{}',
		    CASE WHEN id::int % 1000 = 5 THEN 'persistence' ELSE 'ingest' END, occurred_at, '', false, session_id,
		    CASE WHEN id::int % 7 = 1 THEN 'replayed' WHEN id::int % 70 = 2 THEN 'discarded' ELSE 'open' END FROM persistence.events`,
		`INSERT INTO persistence.duplicates (sequence, application, received_at, id) SELECT gen_random_uuid(), application, occurred_at, id FROM persistence.events`,
		"ANALYZE persistence.events, persistence.ledger, persistence.sessions, persistence.usage, persistence.type_usage, persistence.failures, persistence.duplicates",
	}
	p.must(postgres.Unhurried(t.Context(), p.pool, func(conn *pgxpool.Conn) error { // however busy the machine is
		for _, statement := range statements {
			if _, err := conn.Exec(t.Context(), statement); err != nil {
				return err
			}
		}
		return nil
	}))
	return p
}

// plan is what a statement did.
type plan struct {
	text       string
	partitions []int // the days that were touched
	rows       int   // that were read from tables, thrown away ones too
}

type node struct {
	Type     string  `json:"Node Type"`
	Relation string  `json:"Relation Name"`
	Loops    float64 `json:"Actual Loops"`
	Rows     float64 `json:"Actual Rows"`
	Removed  float64 `json:"Rows Removed by Filter"`
	Plans    []node
}

var partitionOf = regexp.MustCompile(`^events_202406(\d\d)$`)

const explained = "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, FORMAT JSON) "

// explain reads the plan for these arguments.
func (p *planned) explain(sql string, args []any) plan {
	p.Helper()
	var text string
	if err := p.pool.QueryRow(p.Context(), explained+sql, args...).Scan(&text); err != nil {
		p.Fatalf("%v: %s", err, sql)
	}
	return p.read(sql, text)
}

// explainAny reads the plan for any arguments, which a connection may settle on when a question has come five times.
func (p *planned) explainAny(sql string, args []any) plan { return p.explainAnyAfter("", sql, args) }

// explainAnyAfter does so after another statement.
func (p *planned) explainAnyAfter(before, sql string, args []any) plan {
	p.Helper()
	var text string
	err := p.pool.AcquireFunc(p.Context(), func(conn *pgxpool.Conn) error {
		defer conn.Conn().Close(p.Context()) //nolint:errcheck // it keeps a setting and a statement
		prepared, err := conn.Conn().Prepare(p.Context(), "question", sql)
		if err != nil {
			return err
		}
		literals := make([]string, len(args))
		for i, arg := range args {
			b, err := conn.Conn().TypeMap().Encode(prepared.ParamOIDs[i], pgtype.TextFormatCode, arg, nil)
			if err != nil {
				return err
			}
			literals[i] = "'" + strings.ReplaceAll(string(b), "'", "''") + "'"
		}
		if _, err := conn.Exec(p.Context(), "BEGIN; SET plan_cache_mode = force_generic_plan; "+before); err != nil {
			return err
		}
		call := "EXECUTE question"
		if len(literals) > 0 {
			call += " (" + strings.Join(literals, ", ") + ")"
		}
		return conn.QueryRow(p.Context(), explained+call).Scan(&text)
	})
	if err != nil {
		p.Fatalf("%v: %s", err, sql)
	}
	return p.read(sql, text)
}

// read finds in a plan what it touched.
func (p *planned) read(sql, text string) plan {
	p.Helper()
	var roots []struct{ Plan node }
	p.must(json.Unmarshal([]byte(text), &roots))
	found := plan{text: text}
	var visit func(n node)
	visit = func(n node) {
		if n.Relation != "" && n.Loops > 0 {
			found.rows += int((n.Rows + n.Removed) * n.Loops)
			if n.Type == "Seq Scan" {
				p.Errorf("%s is read from end to end for\n%s", n.Relation, sql)
			}
			if match := partitionOf.FindStringSubmatch(n.Relation); match != nil {
				var d int
				_, _ = fmt.Sscan(strings.TrimLeft(match[1], "0"), &d)
				if d -= p.base.Day(); !slices.Contains(found.partitions, d) {
					found.partitions = append(found.partitions, d)
				}
			}
		}
		for _, child := range n.Plans {
			visit(child)
		}
	}
	visit(roots[0].Plan)
	slices.Sort(found.partitions)
	return found
}

func (p *planned) day(n int) time.Time { return p.base.AddDate(0, 0, n) }

// TestPlans reads the plan of every documented question: it touches only the partitions of its time, finds everything by
// an index, and reads about as many rows as it shows, or looks into as many as it may.
func TestPlans(t *testing.T) {
	t.Parallel()
	p := newPlanned(t)
	all := []branch{{application: shop}, {application: blog}}
	typed := []branch{{shop, "page", "name1"}, {shop, "page", "name2"}, {blog, "page", "name1"}}
	own := func(q Query) Query {
		q.Application, q.Limit = shop, 10
		return q
	}
	part := func(q Query) Query {
		q.Among, q.Limit = []uuid.UUID{shop, blog}, 10
		return q
	}
	session := Query{SessionID: "s750", Limit: 10}
	events := func(q Query, branches ...branch) func() (string, []any) {
		if len(branches) == 0 {
			branches = []branch{{q.Application, q.Category, q.Name}}
		}
		return func() (string, []any) { return q.eventsSQL(branches) }
	}
	stats := Query{Application: shop, From: p.day(2), To: p.day(4), Stats: StatsQuery{Bucket: "hour", By: []string{"type"}}}
	property := Property{path: "$.\"n\"", operator: "eq", value: "-1"}
	for name, c := range map[string]struct {
		ask        func() (string, []any)
		partitions []int
		rows       int
	}{
		"the newest of an application": {events(own(Query{})), []int{9}, 11},
		"the oldest":                   {events(own(Query{Order: Oldest})), []int{0}, 11},
		"of two days":                  {events(own(Query{From: p.day(2), To: p.day(4)})), []int{3}, 11},
		"after a cursor":               {events(own(Query{After: &Position{Time: p.day(4).Add(-time.Hour)}})), []int{3}, 11},
		"of all applications":          {events(Query{Limit: 10, From: p.day(2), To: p.day(4)}, all...), []int{3}, 22},
		"of a type":                    {events(own(Query{Category: "page", Name: "name3"})), []int{9}, 11},
		"of a rare type, in a day":     {events(own(Query{Category: "rare", Name: "name0", From: p.day(5), To: p.day(6)})), []int{5}, 11},
		"of a type that is not there":  {events(own(Query{Category: "none", Name: "none"})), []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, 0},
		"of types":                     {events(own(Query{Category: "page"}), typed...), []int{9}, 33},
		"of a session": {func() (string, []any) {
			return session.sessionSQL(sessionSpan{all, p.day(5), p.day(5).Add(time.Hour)})
		}, []int{5}, 22},
		"of a session, one application's": {func() (string, []any) {
			q := own(Query{SessionID: "s750"})
			return q.sessionSQL(sessionSpan{all[:1], p.day(5), p.day(5).Add(time.Hour)})
		}, []int{5}, 11},
		"by a property that none has": {func() (string, []any) {
			q := own(Query{Properties: []Property{property}})
			return q.eventsSQL([]branch{{application: shop}})
		}, []int{4, 5, 6, 7, 8, 9}, examined + 1},
		"the types of a category": {func() (string, []any) {
			q := own(Query{Category: "page", From: p.day(2), To: p.day(3)})
			return q.branchesSQL()
		}, []int{2, 3}, 40},
		"the categories of a name": {func() (string, []any) {
			q := own(Query{Name: "name1", From: p.day(2), To: p.day(3)})
			return q.branchesSQL()
		}, []int{2, 3}, 20},
		"the types of a rare category, all applications": {func() (string, []any) {
			q := Query{Category: "rare"}
			return q.branchesSQL()
		}, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, 300},
		"the applications": {func() (string, []any) { return (&Query{}).branchesSQL() }, nil, 10},
		"sessions of an application": {func() (string, []any) {
			q := own(Query{From: p.day(1)})
			return q.sessionsSQL([]branch{{application: shop}})
		}, nil, 11},
		"sessions of all": {func() (string, []any) { q := Query{Limit: 10}; return q.sessionsSQL(all) }, nil, 300},
		"sessions with a type": {func() (string, []any) {
			q := own(Query{Category: "page", Name: "name3"})
			return q.firstOfTypeSQL([]branch{{shop, "page", "name3"}})
		}, []int{9}, 200},
		"a session's beginning and end": {func() (string, []any) {
			return "SELECT min(first_at) FROM persistence.sessions WHERE session_id = ANY($1)", []any{[]string{"s7"}}
		}, nil, 5},
		"an id's event": {func() (string, []any) {
			return historyEvent, []any{shop, p.day(3), uuid.New()}
		}, []int{3}, 0},
		"an id's repetitions": {func() (string, []any) { return historyDuplicates, []any{shop, "7", 10} }, nil, 1},
		"an id's failures":    {func() (string, []any) { return historyFailures, []any{shop, "7", 10} }, nil, 1},
		"counts by type":      {stats.statsSQL, nil, 2 * 24 * 10},

		"of a set of applications": {func() (string, []any) {
			q := part(Query{From: p.day(2), To: p.day(4)})
			return q.eventsSQL(all)
		}, []int{3}, 22},
		"of a set, in a session": {func() (string, []any) {
			q := part(Query{SessionID: "s750"})
			return q.sessionSQL(sessionSpan{all, p.day(5), p.day(5).Add(time.Hour)})
		}, []int{5}, 22},
		"the types of a rare category, in a set": {func() (string, []any) {
			q := part(Query{Category: "rare"})
			return q.branchesSQL()
		}, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, 300},
		"sessions of a set": {func() (string, []any) { q := part(Query{}); return q.sessionsSQL(all) }, nil, 300},
		"sessions with a type, in a set": {func() (string, []any) {
			q := part(Query{Category: "page", Name: "name3"})
			return q.firstOfTypeSQL([]branch{{shop, "page", "name3"}, {blog, "page", "name3"}})
		}, []int{9}, 800},
		"counts of a set": {func() (string, []any) {
			q := part(Query{From: p.day(2), To: p.day(4), Stats: StatsQuery{Bucket: "day"}})
			return q.statsSQL()
		}, nil, 3*48 + 10},
		"counts": {func() (string, []any) {
			q := Query{From: p.day(2), To: p.day(4), Stats: StatsQuery{Bucket: "day"}}
			return q.statsSQL()
		}, nil, 3*48 + 10},
	} {
		for kind, explain := range map[string]func(string, []any) plan{"these": p.explain, "any": p.explainAny} {
			got := explain(c.ask())
			if !slices.Equal(got.partitions, c.partitions) || got.rows > c.rows {
				t.Errorf("%s, for %s arguments: partitions %v and %d rows, want %v and at most %d:\n%s",
					name, kind, got.partitions, got.rows, c.partitions, c.rows, got.text)
			}
		}
	}
}

// TestPlanOfADryRun: what retention would delete is counted along indexes, and no further than is told.
func TestPlanOfADryRun(t *testing.T) {
	t.Parallel()
	p := newPlanned(t)
	for received, settled := range map[string]uuid.UUID{"long ago": uuid.Max, "of late": uuid.Nil} {
		args := []any{[16]byte(blog), p.day(9), p.day(9), [16]byte(settled), 10}
		for kind, got := range map[string]plan{"these": p.explain(countDue, args), "any": p.explainAnyAfter(unsorted, countDue, args)} {
			if !slices.Equal(got.partitions, []int{0}) || got.rows > 20 {
				t.Errorf("received %s, for %s arguments: partitions %v and %d rows:\n%s", received, kind, got.partitions, got.rows, got.text)
			}
		}
	}
}

// TestPlansOfErasures: what an erasure of a session looks for is found by indexes.
func TestPlansOfErasures(t *testing.T) {
	t.Parallel()
	p := newPlanned(t)
	s := &sweep{target: target{session: "s750"}, cutOff: uuid.Max}
	p.explain(s.deleteFailures(s.rows()), []any{s.arg(), s.cutOff, chunkRows})
	c, order := s.left()
	p.explain("SELECT FROM persistence.events WHERE "+c.String()+" ORDER BY "+order+" LIMIT 10", c.args)
}

// TestIndexesAreMadeBesideWriters makes those that a large installation lacks while events are stored, after an attempt
// that was cut off, and by two replicas at once.
func TestIndexesAreMadeBesideWriters(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.insert(f.request(shop, item("a", "s", ""), at(item("b", "s", ""), time.Now().AddDate(0, 0, -2))))
	for _, statement := range []string{ // as before the migration, with what an attempt left
		"DROP INDEX persistence.events_session_application", "CREATE INDEX events_session_application ON ONLY persistence.events (session_id, application, occurred_at, sequence)",
		"DROP INDEX persistence.events_type", "CREATE INDEX events_type ON ONLY persistence.events (application, category, name, occurred_at, sequence)",
		"CREATE INDEX failures_event ON persistence.failures (application, event_id, sequence)",
		"UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'persistence.failures_event'::regclass",
	} {
		_, err := f.pool.Exec(t.Context(), statement)
		f.must(err)
	}
	other, made := f.replica("other"), make(chan error, 1)
	go func() { made <- other.EnsureIndexes(t.Context()) }()
	f.must(f.store.EnsureIndexes(t.Context()))
	f.same("meanwhile", Outcomes{Stored: 1}, f.insert(f.request(shop, item("c", "s", ""))))
	f.must(<-made)
	f.must(f.store.EnsureIndexes(t.Context())) // nothing is left to do
	f.same("invalid indexes", []string{}, append([]string{}, f.lines("SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid")...))
	for _, i := range append(indexes(), eventIndexes()...) {
		if n := f.count("SELECT count(*) FROM pg_class WHERE relname = $1", i.name); n != 1 {
			t.Errorf("%s is there %d times", i.name, n)
		}
	}
	f.same("superseded", 0, f.count("SELECT count(*) FROM pg_class WHERE relname = 'events_session'"))
}
