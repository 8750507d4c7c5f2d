package persistence

import (
	"testing"
	"time"

	"github.com/google/uuid"
)

// TestTypesAreReadInOrder: of a type that PostgreSQL takes for rarer than it is, a page reads what it shows and no more,
// on a day without any event, too.
func TestTypesAreReadInOrder(t *testing.T) {
	t.Parallel()
	p := newPlanned(t)
	// Category and name say the same of most events: one in a hundred is taken for one in ten thousand.
	_, err := p.pool.Exec(t.Context(), `
		INSERT INTO persistence.events (application, id, session_id, category, name, data, occurred_at, received_at, sequence, credential)
		SELECT $1, 'kind' || n, 'k' || n / 10, 'kind ' || n % 100, 'is ' || n % 100, '{}', $2::timestamptz + n % 12000 * interval '1 minute', now(), gen_random_uuid(), '1'
		FROM generate_series(1, 30000) n`, shop, p.base)
	p.must(err)
	_, err = p.pool.Exec(t.Context(), "INSERT INTO persistence.sessions SELECT session_id, application, min(occurred_at), max(occurred_at), count(*) FROM persistence.events WHERE session_id LIKE 'k%' GROUP BY 1, 2 ON CONFLICT DO NOTHING")
	p.must(err)
	p.must(p.store.days.ensure(t.Context(), p.pool, []time.Time{p.day(10), p.day(11)}))
	_, err = p.pool.Exec(t.Context(), "VACUUM ANALYZE persistence.events, persistence.sessions")
	p.must(err)
	kind := branch{shop, "kind 7", "is 7"}
	q := Query{Application: shop, Category: kind.category, Name: kind.name, Limit: 10}
	const rows = 300 // of this kind
	for name, c := range map[string]struct {
		branches []branch
		ask      func([]branch) (string, []any)
		most     int
	}{
		"a type":              {[]branch{kind}, q.eventsSQL, 11},
		"types":               {[]branch{kind, {shop, "kind 8", "is 8"}}, q.eventsSQL, 22},
		"sessions of a type":  {[]branch{kind}, q.firstOfTypeSQL, rows * 3}, // looks into up to 1000 of them, and into their sessions
		"another application": {[]branch{{uuid.New(), kind.category, kind.name}}, q.eventsSQL, 0},
	} {
		sql, args := c.ask(c.branches)
		found := p.inOrder(sql, args)
		if found.rows > c.most {
			t.Errorf("%s: %d rows are read: %s", name, found.rows, found.text)
		}
	}
}

// TestFailuresAreReadInOrder, of an application that has more than PostgreSQL expects of any.
func TestFailuresAreReadInOrder(t *testing.T) {
	t.Parallel()
	p := newPlanned(t)
	_, err := p.pool.Exec(t.Context(), `
		INSERT INTO persistence.failures (sequence, application, credential, event_id, code, detail, pointers, stage, received_at, original, truncated)
		SELECT gen_random_uuid(), CASE WHEN n % 5 < 3 THEN $1 ELSE md5((n % 20)::text)::uuid END, '1', 'many ' || 100000 + n, 'many.' || n % 4, '', '{}', 'ingest',
		    $2::timestamptz + n * 7919 % 50000 * interval '1 minute', convert_to(repeat('x', 600), 'UTF8'), false -- in another order than it is stored in
		FROM generate_series(1, 50000) n`, shop, p.base)
	p.must(err)
	_, err = p.pool.Exec(t.Context(), "VACUUM ANALYZE persistence.failures")
	p.must(err)
	q := Query{Application: shop, Limit: 100}
	for _, newest := range []bool{true, false} {
		sql, args := q.failuresSQL(nil, failureFields, newest, "")
		for kind, found := range map[string]plan{"these": p.inOrder(sql, args), "any": p.explainAnyAfter(unsorted, sql, args)} {
			if found.rows > q.Limit+1 {
				t.Errorf("newest %t, for %s arguments: %d rows are read: %s", newest, kind, found.rows, found.text)
			}
		}
	}
}

// inOrder reads the plan of what is asked in the order of an index.
func (p *planned) inOrder(sql string, args []any) (found plan) {
	p.Helper()
	rows, err := p.store.inOrder(p.Context(), explained+sql, args)
	p.must(err)
	defer rows.Close()
	for rows.Next() {
		p.must(rows.Scan(&found.text))
	}
	p.must(rows.Err())
	return p.read(sql, found.text)
}
