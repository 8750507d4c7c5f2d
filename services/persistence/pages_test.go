package persistence

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/event"
)

// walk follows the cursors of a question to its end.
func (l *library) walk(who uuid.UUID, query string) (ids []string) {
	l.Helper()
	for cursor, pages := "", 0; pages == 0 || cursor != ""; pages++ {
		var page EventPage
		l.get(who, "/v1/events?"+query+cursor, &page)
		for _, e := range page.Events {
			ids = append(ids, e.Application.String()+" "+e.ID)
		}
		cursor = next(page.NextCursor)
	}
	return ids
}

// TestNoPageMissesOrRepeats asks random questions while writers store events around every place of them: what was there
// before a walk began is found in it once, in order, and nothing is found twice.
func TestNoPageMissesOrRepeats(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	base := time.Now().UTC().Truncate(day).Add(-60 * time.Hour)
	random := rand.New(rand.NewPCG(seed, 0))
	some := func(r *rand.Rand, prefix string) event.Item {
		moment := base.Add(time.Duration(r.IntN(300)) * 10 * time.Minute) // many share one
		i := item(prefix, fmt.Sprint("s", r.IntN(3)), fmt.Sprintf(`"data":{"n":%d}`, r.IntN(4)))
		i.Original = []byte(strings.NewReplacer(`"page"`, fmt.Sprintf(`"c%d"`, r.IntN(2)), `"view"`, fmt.Sprintf(`"n%d"`, r.IntN(3))).Replace(string(i.Original)))
		return at(i, moment)
	}
	for n := range 300 {
		l.insert(l.request([]uuid.UUID{shop, blog}[n%2], some(random, fmt.Sprintf("old %03d", n))))
	}
	halt := make(chan struct{})
	var writers sync.WaitGroup
	for w := range 2 {
		f := &fixture{TB: t, sequencer: event.NewSequencer(time.Now)}
		store := l.replica(fmt.Sprint("writer ", w))
		writers.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(w)+1))
			for n := 0; ; n++ {
				select {
				case <-halt:
					return
				default:
				}
				request := f.request([]uuid.UUID{shop, blog}[r.IntN(2)], some(r, fmt.Sprintf("new %d %d", w, n)))
				if _, err := store.Insert(t.Context(), records(f.entry(request))); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	defer writers.Wait()
	defer close(halt)
	for range 25 {
		query := url.Values{"limit": {fmt.Sprint(5 + random.IntN(40))}}
		maybe := func(name string, values ...string) {
			if random.IntN(3) == 0 {
				query.Set(name, values[random.IntN(len(values))])
			}
		}
		maybe("session_id", "s0", "s1")
		maybe("category", "c0", "c1")
		maybe("name", "n0", "n1", "n2")
		maybe("order", "newest", "oldest")
		maybe("data.n", "1", "2")
		maybe("data.n[gte]", "1", "3")
		maybe("from", base.Add(10*time.Hour).Format(time.RFC3339))
		maybe("to", base.Add(40*time.Hour).Format(time.RFC3339))
		who := []uuid.UUID{uuid.Nil, shop}[random.IntN(2)]
		l.walked(who, query)
	}
}

// walked compares a walk with what a statement without pages finds before it.
func (l *library) walked(who uuid.UUID, query url.Values) {
	l.Helper()
	ascending := query.Get("order") == "oldest" || query.Get("order") == "" && query.Has("session_id")
	order := "DESC"
	if ascending {
		order = "ASC"
	}
	or := func(name, otherwise string) string {
		if query.Has(name) {
			return query.Get(name)
		}
		return otherwise
	}
	want := l.lines(`
		SELECT application::text, id FROM persistence.events
		WHERE ($1 = '00000000-0000-0000-0000-000000000000' OR application = $1::uuid) AND session_id LIKE $2 AND category LIKE $3 AND name LIKE $4
		    AND occurred_at >= $5::timestamptz AND occurred_at < $6::timestamptz
		    AND ($7 = '' OR data->>'n' = $7) AND (data->>'n')::int >= $8::int
		ORDER BY occurred_at `+order+", sequence "+order,
		who.String(), or("session_id", "%"), or("category", "%"), or("name", "%"), or("from", "2000-01-01"), or("to", "2999-01-01"), or("data.n", ""), or("data.n[gte]", "0"))
	got := l.walk(who, query.Encode())
	seen := map[string]bool{}
	for _, id := range got {
		if seen[id] {
			l.Errorf("%s: %s is found twice", query.Encode(), id)
		}
		seen[id] = true
	}
	known := map[string]bool{}
	for _, id := range want {
		known[id] = true
	}
	got = append([]string{}, slices.DeleteFunc(got, func(id string) bool { return !known[id] })...)
	l.same(query.Encode(), want, got)
}
