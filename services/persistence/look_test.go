package persistence

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
)

// fill stores events of an application's session as PostgreSQL makes them: so many, from a second of the day on, one a second.
func (p *planned) fill(application uuid.UUID, session, name string, from, count int, data string) {
	p.Helper()
	_, err := p.pool.Exec(p.Context(), `
		INSERT INTO persistence.events (application, id, session_id, category, name, data, occurred_at, received_at, sequence, credential)
		SELECT $1, $2::text || ' ' || n, $2, 'page', $3, $4::jsonb || jsonb_build_object('n', n), $5::timestamptz + n * interval '1 second', now(), gen_random_uuid(), '1'
		FROM generate_series($6::integer, $6::integer + $7::integer - 1) AS n`, application, session, name, data, p.base, from, count)
	p.must(err)
}

// counts makes what is kept beside events that were filled in.
func (p *planned) counts() {
	p.Helper()
	for _, statement := range []string{
		"INSERT INTO persistence.sessions SELECT session_id, application, min(occurred_at), max(occurred_at), count(*) FROM persistence.events GROUP BY 1, 2",
		"INSERT INTO persistence.sessions SELECT 'another ' || n, gen_random_uuid(), now(), now(), 1 FROM generate_series(1, 2000) AS n",
		"INSERT INTO persistence.usage SELECT application, date_trunc('hour', occurred_at), 'stored', 'w', count(*) FROM persistence.events GROUP BY 1, 2",
		"ANALYZE persistence.events, persistence.sessions, persistence.usage",
	} {
		_, err := p.pool.Exec(p.Context(), statement)
		p.must(err)
	}
}

func newFilled(t *testing.T) *planned {
	t.Helper()
	p := &planned{newFixture(t), time.Date(2024, time.June, 10, 0, 0, 0, 0, time.UTC)}
	p.must(p.store.days.ensure(t.Context(), p.pool, []time.Time{p.base}))
	return p
}

// walk reads all pages of a question, and returns how many there were.
func (p *planned) walk(store *Postgres, q Query) (found []Event, pages int) {
	p.Helper()
	for more := true; more; pages++ {
		p.must(q.resume(listEvents))
		page, err := store.Events(p.Context(), q)
		p.must(err)
		found, q.cursor = append(found, page.Events...), page.NextCursor
		more = q.cursor != ""
	}
	return found, pages
}

// both are the plans of a question as a connection asks it: at first and when it has come often.
func (p *planned) both(sql string, args []any) map[string]plan {
	return map[string]plan{"these": p.inOrder(sql, args), "any": p.explainAnyAfter(unsorted, sql, args)}
}

// TestOthersInASessionCostNothing: of a session in which another application has sent much, one reads one's own.
func TestOthersInASessionCostNothing(t *testing.T) {
	t.Parallel()
	p := newFilled(t)
	p.fill(blog, "shared", "view", 1, 20_000, "{}")
	p.fill(shop, "shared", "view", 0, 1, "{}")
	p.fill(shop, "shared", "view", 20_001, 1, "{}")
	p.fill(shop, "other", "view", 0, 20_000, "{}")
	p.counts()
	for name, q := range map[string]Query{"all": {}, "of a type": {Category: "page", Name: "view"}, "the newest": {Order: Newest}} {
		q.SessionID, q.Application, q.Limit = "shared", shop, 100
		of, err := p.store.span(t.Context(), q)
		p.must(err)
		for kind, found := range p.both(q.sessionSQL(of)) {
			if found.rows > 2 {
				t.Errorf("%s, for %s arguments: %d rows are read: %s", name, kind, found.rows, found.text)
			}
		}
	}
}

// TestALongSessionIsListed, though the first of a type in it comes after very much, and it has very many of it: once in a page, and
// no event costs more than a look back.
func TestALongSessionIsListed(t *testing.T) {
	t.Parallel()
	p := newFilled(t)
	const clicks, sales = 20_000, 300
	p.fill(shop, "long", "click", 0, 1, "{}")
	p.fill(blog, "long", "click", 1, clicks, "{}")
	p.fill(shop, "long", "click", clicks, clicks, "{}")
	p.fill(shop, "long", "buy", 2*clicks, sales, "{}")
	p.fill(shop, "small", "buy", 5, 1, "{}")
	p.counts()
	q := Query{Application: shop, Category: "page", Name: "buy", Limit: 10}
	for kind, found := range p.both(q.firstOfTypeSQL([]branch{{shop, "page", "buy"}})) {
		if most := (sales + 1) * (2 + lookBack); found.rows > most {
			t.Errorf("for %s arguments: %d rows are read, not %d: %s", kind, found.rows, most, found.text)
		}
	}
	page, err := p.store.Sessions(t.Context(), q)
	p.must(err)
	var listed []string
	for _, s := range page.Sessions {
		listed = append(listed, s.SessionID)
	}
	p.same("sessions", []string{"long", "small"}, listed)
	p.same("cursor", "", page.NextCursor)
}

// many are applications with so many events each, one a second, all at once or one application after another.
func (p *planned) many(applications, each int, afterAnother bool) {
	p.Helper()
	number := fmt.Sprintf("n %% %d", applications)
	if afterAnother {
		number = fmt.Sprintf("n / %d", each)
	}
	_, err := p.pool.Exec(p.Context(), fmt.Sprintf(`
		INSERT INTO persistence.events (application, id, session_id, category, name, data, occurred_at, received_at, sequence, credential)
		SELECT md5((%s)::text)::uuid, n::text, 's' || n / 20, 'page', 'view', jsonb_build_object('n', n), $1::timestamptz + n * interval '1 second', now(), gen_random_uuid(), '1'
		FROM generate_series(0, %d) AS n`, number, applications*each-1), p.base)
	p.must(err)
	p.counts()
}

// TestPagesOfManyBranches read of many applications little more than the page, and look into no more than they may; and
// where nothing is found they go on by much, whether the applications have their events all at once or one after another.
func TestPagesOfManyBranches(t *testing.T) {
	t.Parallel()
	const applications, each, limit = 120, 300, 100
	none := []Property{{path: "$.\"n\"", operator: "eq", value: "-1"}}
	for shape, most := range map[string]struct {
		afterAnother bool
		pages        int
	}{"all at once": {false, 9}, "one after another": {true, 32}} {
		p := newFilled(t)
		p.many(applications, each, most.afterAnother)
		for kind, q := range map[string]Query{"all": {Limit: limit}, "some": {Limit: 1000, Properties: none}} {
			branches, err := p.store.branches(t.Context(), &q)
			p.must(err)
			p.same("branches", applications, len(branches))
			rows := applications + (limit+1)*(limit+2)/2
			if q.Properties != nil {
				rows = 2*applications + examined*(applications/lookBranches)
			}
			for plan, found := range p.both(q.eventsSQL(branches)) {
				if found.rows > rows || applications*each <= rows {
					t.Errorf("%s, %s, for %s arguments: %d rows are read, not %d: %s", shape, kind, plan, found.rows, rows, found.text)
				}
			}
		}
		store := p.replica("many")
		store.patience = time.Minute
		found, pages := p.walk(store, Query{Limit: limit, Properties: none})
		p.same("found", 0, len(found))
		if pages > most.pages {
			t.Errorf("%s: %d pages, not %d", shape, pages, most.pages)
		}
	}
}

// TestPagesOfManyBranchesAreWhole: whichever applications have events at which times, and however small the pages.
func TestPagesOfManyBranchesAreWhole(t *testing.T) {
	t.Parallel()
	p := newFilled(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for n := range 25 {
		p.fill(uuid.UUID{byte(n + 1)}, fmt.Sprint("s", n%4), fmt.Sprint("n", n%3), random.IntN(200), 1+random.IntN(60), "{}")
	}
	p.counts()
	for _, patience := range []time.Duration{0, time.Minute} {
		store := p.replica("whole")
		store.patience = patience
		for range 20 {
			q := Query{Limit: 1 + random.IntN(30), Order: []Order{Newest, Oldest}[random.IntN(2)]}
			where, direction := "true", map[Order]string{Newest: "DESC", Oldest: "ASC"}[q.Order]
			switch random.IntN(4) {
			case 0:
				q.Properties, where = []Property{{path: "$.\"n\"", operator: "gte", value: "150"}}, "(data->>'n')::integer >= 150"
			case 1:
				q.Category, q.Name, where = "page", "n1", "name = 'n1'"
			case 2:
				q.Category, q.From, where = "page", p.base.Add(50*time.Second), "occurred_at >= timestamptz '2024-06-10 00:00:50Z'"
			}
			events, _ := p.walk(store, q)
			var found []string
			for _, e := range events {
				found = append(found, e.Application.String()+" "+e.ID)
			}
			p.same(fmt.Sprintf("%s, %s, limit %d, patience %s", where, q.Order, q.Limit, patience),
				p.lines("SELECT application::text, id FROM persistence.events WHERE "+where+" ORDER BY occurred_at "+direction+", sequence "+direction), found)
		}
	}
}

// TestSessionsOfOneMoment: sessions that began at the same time, in several applications each, are all listed, whatever is looked into
// at once.
func TestSessionsOfOneMoment(t *testing.T) {
	t.Parallel()
	p := newFilled(t)
	for n := range 6 {
		_, err := p.pool.Exec(t.Context(), `
			INSERT INTO persistence.sessions SELECT 's' || n, $1::uuid, $2::timestamptz + n / 5 * interval '1 second', $2, 1
			FROM generate_series(1, 1500) AS n WHERE hashtext(n::text || $1::uuid::text) % 3 = 0`, uuid.UUID{byte(n + 1)}, p.base)
		p.must(err)
	}
	_, err := p.pool.Exec(t.Context(), "INSERT INTO persistence.usage SELECT DISTINCT application, $1::timestamptz, 'stored', 'w', 1 FROM persistence.sessions", p.base)
	p.must(err)
	want := p.lines(`SELECT DISTINCT session_id COLLATE "C" FROM persistence.sessions ORDER BY 1`)
	for _, patience := range []time.Duration{0, time.Minute} {
		store := p.replica("moment")
		store.patience = patience
		for _, limit := range []int{10, 100, 1000} {
			q := Query{Limit: limit}
			p.must(q.resume(listSessions))
			var listed []string
			for more := true; more; {
				page, err := store.Sessions(t.Context(), q)
				p.must(err)
				for _, s := range page.Sessions {
					listed = append(listed, s.SessionID)
				}
				if more = page.NextCursor != ""; more {
					q.cursor = page.NextCursor
					p.must(q.resume(listSessions))
				}
			}
			slices.Sort(listed)
			p.same(fmt.Sprint("limit ", limit, ", patience ", patience), want, listed)
		}
	}
}

// TestPagesInSteps: whenever patience ends, pages go on where they ended, and what is asked for is found once.
func TestPagesInSteps(t *testing.T) {
	t.Parallel()
	p := newFilled(t)
	const rows = 700
	p.fill(shop, "s", "view", 0, rows, `{"some":[1,2]}`)
	p.counts()
	for patience, most := range map[time.Duration]int{0: rows/firstLook + 1, time.Minute: 1} {
		store := p.replica("steps")
		store.patience = patience
		for _, condition := range []Property{{path: "$.\"n\"", operator: "gte", value: "690"}, {path: "$.\"n\"", operator: "lt", value: "3"}, {path: "$.\"n\"", operator: "eq", value: "-1"}} {
			for name, q := range map[string]Query{"newest": {Application: shop}, "oldest": {Application: shop, Order: Oldest}, "session": {SessionID: "s"}} {
				q.Limit, q.Properties = 100, []Property{condition}
				events, pages := p.walk(store, q)
				found := idsOf(events)
				slices.Sort(found)
				want := p.lines("SELECT id FROM persistence.events WHERE data @? ($1)::jsonpath ORDER BY id COLLATE \"C\"",
					fmt.Sprintf("$.n ? (@ %s %s)", map[string]string{"gte": ">=", "lt": "<", "eq": "=="}[condition.operator], condition.value))
				p.same(fmt.Sprint(name, condition, patience), append([]string{}, want...), append([]string{}, found...))
				if pages > most {
					t.Errorf("%s %v: %d pages, want at most %d", name, condition, pages, most)
				}
			}
		}
	}
}
