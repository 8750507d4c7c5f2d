package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/hack/servers"
)

const (
	applications = 10
	days         = 30
	perSession   = 15 // events; within some minutes
	typesEach    = 20 // of an application
)

// loader makes events, the same ones from the same seed.
type loader struct {
	random       *rand.Rand
	begin        time.Time // of the first day
	applications []uuid.UUID
	loaded       int
	sessions     int
	filler       string

	half     map[string][]string // places behind half of the rows, by list
	failures []string            // ids of some
}

func newLoader(seed uint64, now time.Time) *loader {
	l := &loader{
		random: rand.New(rand.NewPCG(seed, 0)), //nolint:gosec // events that can be made again
		begin:  now.UTC().Truncate(24*time.Hour).AddDate(0, 0, 1-days), filler: strings.Repeat("x", 220),
	}
	for n := range applications {
		l.applications = append(l.applications, uuid.NewSHA1(uuid.NameSpaceOID, []byte(strconv.Itoa(n))))
	}
	return l
}

// columns that are loaded.
func columns() []string {
	return []string{"application", "id", "session_id", "category", "name", "data", "occurred_at", "received_at", "sequence", "credential"}
}

// failures makes one for every twentieth event, of four codes, most of them open.
const failures = `INSERT INTO persistence.failures (sequence, application, credential, event_id, code, detail, pointers, stage, state, received_at, original, truncated)
	SELECT gen_random_uuid(), application, '1', 'failed ' || id, (ARRAY['schema.mismatch', 'field.missing', 'timestamp.too_old', 'id.conflict'])[1 + r / 20 % 4],
	    'for the measure', '{/data}', CASE r / 20 % 4 WHEN 3 THEN 'persistence' ELSE 'ingest' END, CASE r / 80 % 10 WHEN 0 THEN 'replayed' ELSE 'open' END,
	    received_at, convert_to(data::text, 'UTF8'), false
	FROM (SELECT *, abs(hashtext(id)::bigint) AS r FROM persistence.events) e WHERE r % 20 = 0`

// replays makes a hundred of each application, of which a list has the newest.
const replays = `INSERT INTO persistence.replays (id, application, code, stage, until, dry_run, state, total, done, after_at, after_sequence, requested_at, finished_at)
	SELECT gen_random_uuid(), application, '', '', now(), false, 'finished', 10, 10, now(), gen_random_uuid(), now() - n * interval '1 minute', now()
	FROM (SELECT DISTINCT application FROM persistence.usage) a, generate_series(1, 100) n`

// load makes as many events as are missing, session by session, and all that is kept beside them.
func (l *loader) load(ctx context.Context, conn *pgx.Conn, size int) error {
	for d := range days + 1 {
		from := l.begin.AddDate(0, 0, d)
		_, err := conn.Exec(ctx, fmt.Sprintf("CREATE TABLE IF NOT EXISTS persistence.events_%s PARTITION OF persistence.events FOR VALUES FROM ('%s') TO ('%s')",
			from.Format("20060102"), from.Format(time.RFC3339), from.AddDate(0, 0, 1).Format(time.RFC3339)))
		if err != nil && !strings.Contains(err.Error(), "would overlap") {
			return fmt.Errorf("make partition: %w", err)
		}
	}
	source := &events{loader: l, left: size - l.loaded}
	if _, err := conn.CopyFrom(ctx, pgx.Identifier{"persistence", "events"}, columns(), source); err != nil {
		return fmt.Errorf("copy: %w", err)
	}
	l.loaded = size
	for _, statement := range []string{
		"TRUNCATE persistence.ledger, persistence.sessions, persistence.usage, persistence.type_usage, persistence.failures, persistence.replays",
		"INSERT INTO persistence.ledger SELECT application, id, gen_random_uuid(), sequence, occurred_at FROM persistence.events",
		"INSERT INTO persistence.sessions SELECT session_id, application, min(occurred_at), max(occurred_at), count(*) FROM persistence.events GROUP BY 1, 2",
		"INSERT INTO persistence.usage SELECT application, date_trunc('hour', received_at), 'stored', 'bench', count(*) FROM persistence.events GROUP BY 1, 2",
		"INSERT INTO persistence.type_usage SELECT application, date_trunc('hour', received_at), 'stored', category, name, 'bench', count(*) FROM persistence.events GROUP BY 1, 2, 4, 5",
		failures,
		replays,
		"VACUUM ANALYZE persistence.replays, persistence.failures, persistence.events, persistence.ledger, persistence.sessions, persistence.usage, persistence.type_usage",
		"CHECKPOINT",
	} {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("load: %w", err)
		}
	}
	return nil
}

// events is a pgx.CopyFromSource.
type events struct {
	*loader
	left   int // to be made
	here   int // of the session in hand
	moment time.Time
	app    int
	row    []any
}

// Next makes a row.
func (e *events) Next() bool {
	if e.left == 0 {
		return false
	}
	e.left--
	if e.here == 0 {
		e.here = perSession
		e.sessions++
		e.app = e.some()
		e.moment = e.begin.Add(time.Duration(e.random.Int64N(int64(days * 24 * time.Hour))))
	}
	e.here--
	e.moment = e.moment.Add(time.Duration(e.random.Int64N(int64(30 * time.Second))))
	category, name := typeOf(e.kind())
	n := e.sessions*perSession + e.here
	data := fmt.Sprintf(`{"host":"shop.example.com","path":"/a/b/%d","title":"%s","n":%d,"seen":true,"tags":["a","b"]}`, n%1000, e.filler, n%100_000)
	e.row = append(e.row[:0], e.applications[e.app], fmt.Sprint("event-", n), sessionID(e.sessions), category, name, data, e.moment, e.moment, sequenceOf(e.moment, n), "1")
	return true
}

// sequenceOf is one that ingest would have given at a moment; n tells it from others.
func sequenceOf(at time.Time, n int) (q event.Sequence) {
	binary.BigEndian.PutUint64(q[:8], uint64(at.UnixMilli())<<16|7<<12)
	binary.BigEndian.PutUint64(q[8:], 0b10<<62|uint64(n))
	return q
}

// Values is the row.
func (e *events) Values() ([]any, error) { return e.row, nil }

// Err is nil: there is nothing to go wrong.
func (e *events) Err() error { return nil }

func sessionID(n int) string { return fmt.Sprintf("session-%08x", uint32(n)*2654435761) }

// some chooses an application: the first one has 60 of 100.
func (l *loader) some() int {
	if l.random.IntN(100) < 60 {
		return 0
	}
	return 1 + l.random.IntN(applications-1)
}

// kind chooses a type: each is about half as common as the one before, down to one in a million, and one in ten
// thousand is rarely of a category of its own.
func (l *loader) kind() int {
	for n := range typesEach - 1 {
		if l.random.IntN(2) == 0 {
			return n
		}
	}
	return typesEach - 1
}

// typeOf names a type: four of a category.
func typeOf(n int) (category, name string) {
	return fmt.Sprint("category ", n/4), fmt.Sprint("name ", n)
}

// register makes the applications known, so that there is something to tell of them beside their events. Their events are
// kept for ever.
func (w *world) register(ctx context.Context, l *loader) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	return servers.Await(ctx, w.auth, w.log("auth"), func(ctx context.Context) error { //nolint:wrapcheck // says what is awaited
		for n, uid := range l.applications {
			if err := w.put(ctx, w.authURL+"/v1/applications/"+uid.String(), fmt.Sprintf(`{"namespace":"bench","name":"application-%d"}`, n)); err != nil {
				return err
			}
		}
		return nil
	})
}

func (w *world) put(ctx context.Context, target, body string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, target, strings.NewReader(body))
	if err != nil {
		return fmt.Errorf("register: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+w.token)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("register: %w", err)
	}
	_ = response.Body.Close()
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("register: answered %s", response.Status)
	}
	return nil
}
