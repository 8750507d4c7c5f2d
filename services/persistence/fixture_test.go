package persistence

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	metricnoop "go.opentelemetry.io/otel/metric/noop"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/services/internal/postgres"
	"github.com/theeye-dev/theeye/services/internal/stream"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

var (
	shop = uuid.MustParse("aaaaaaaa-0000-4000-8000-000000000001")
	blog = uuid.MustParse("bbbbbbbb-0000-4000-8000-000000000002")
)

// fixture is a migrated database, one replica's store on it, and what makes requests for it as ingest does.
type fixture struct {
	testing.TB
	url       string
	pool      *pgxpool.Pool
	store     *Postgres
	service   *Service
	sequencer *event.Sequencer
	entries   int
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{TB: t, url: testenv.Postgres(t), sequencer: event.NewSequencer(time.Now)}
	f.store = f.replica("first")
	f.pool = f.store.pool
	f.must(f.store.Migrate(t.Context()))
	f.service = serviceOn(t, f.store)
	return f
}

func (f *fixture) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

// replica returns a further store on the same database, with a pool of its own.
func (f *fixture) replica(writer string) *Postgres {
	f.Helper()
	pool, err := postgres.Open(f.Context(), postgres.Options{URL: f.url, MaxConns: 6})
	f.must(err)
	f.Cleanup(pool.Close)
	store := NewPostgres(pool, writer, slog.New(slog.DiscardHandler))
	store.patience = time.Minute // pages end where they end, however busy the machine is
	return store
}

func serviceOn(t testing.TB, s store) *Service {
	t.Helper()
	metrics, err := NewMetrics(metricnoop.Meter{})
	if err != nil {
		t.Fatal(err)
	}
	return New(s, slog.New(slog.DiscardHandler), metrics)
}

// request makes a request of these items, received now.
func (f *fixture) request(application uuid.UUID, items ...event.Item) event.Request {
	sequence, received := f.sequencer.Next(len(items))
	for i := range items {
		if items[i].Refusal == nil && items[i].OccurredAt.IsZero() {
			items[i].OccurredAt = received
		}
	}
	return event.Request{Application: application, Credential: "1", ReceivedAt: received, Sequence: sequence, Items: items}
}

// entry makes a stream entry of requests.
func (f *fixture) entry(requests ...event.Request) stream.Entry {
	f.entries++
	e := stream.Entry{Stream: event.StreamKey(0), ID: fmt.Sprintf("1700000000000-%d", f.entries)}
	for i := range requests {
		e.Batch = event.AppendRequest(e.Batch, &requests[i])
	}
	return e
}

// item is an accepted event; members come after those that are required.
func item(id, session, members string) event.Item {
	if members != "" {
		members = "," + members
	}
	return event.Item{Original: fmt.Appendf(nil, `{"id":%q,"session_id":%q,"category":"page","name":"view"%s}`, id, session, members)}
}

func at(i event.Item, t time.Time) event.Item {
	i.OccurredAt = t.UTC().Truncate(time.Microsecond)
	return i
}

func refused(original, code string) event.Item {
	return event.Item{Original: []byte(original), Refusal: &event.Refusal{Code: event.Code(code), Detail: "why", Pointer: "/data"}}
}

// records decodes requests as the service does.
func records(entries ...stream.Entry) []*record {
	var all []*record
	read := new(reader).read(entries)
	for i := range read {
		all = append(all, &read[i])
	}
	return all
}

// insert writes requests by one store and returns what became of them.
func (f *fixture) insert(requests ...event.Request) Outcomes {
	f.Helper()
	outcomes, err := f.store.Insert(f.Context(), records(f.entry(requests...)))
	f.must(err)
	return outcomes
}

func (f *fixture) storeEntries(entries ...stream.Entry) {
	f.Helper()
	f.must(f.service.Store(f.Context(), entries))
}

// count answers a query of one number.
func (f *fixture) count(sql string, args ...any) (n int) {
	f.Helper()
	f.must(f.pool.QueryRow(f.Context(), sql, args...).Scan(&n))
	return n
}

// lines answers a query, one text a row, its columns joined by spaces.
func (f *fixture) lines(sql string, args ...any) []string {
	f.Helper()
	rows, err := f.pool.Query(f.Context(), sql, args...)
	f.must(err)
	lines, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (string, error) {
		values, err := row.Values()
		return strings.TrimSuffix(fmt.Sprintln(values...), "\n"), err
	})
	f.must(err)
	return lines
}

// tables returns all rows of all tables.
func (f *fixture) tables() map[string][]string {
	f.Helper()
	all := map[string][]string{}
	for _, table := range []string{"events", "ledger", "duplicates", "sessions", "failures", "usage", "credential_usage", "types", "type_usage"} {
		all[table] = f.lines("SELECT t::text FROM persistence." + table + " t ORDER BY 1")
	}
	return all
}

// usage returns the counters, summed up over hours and writers.
func (f *fixture) usage(application uuid.UUID) Outcomes {
	f.Helper()
	sums := Outcomes{}
	rows, err := f.pool.Query(f.Context(), "SELECT outcome, sum(events)::bigint FROM persistence.usage WHERE application = $1 GROUP BY outcome", application)
	f.must(err)
	var outcome string
	var n int64
	_, err = pgx.ForEachRow(rows, []any{&outcome, &n}, func() error { sums[Outcome(outcome)] = n; return nil })
	f.must(err)
	return sums
}

func (f *fixture) same(what string, want, got any) {
	f.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		f.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func sorted(s []string) []string {
	slices.Sort(s)
	return s
}
