package persistence

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/theeye-dev/theeye/services/internal/postgres"
	"github.com/theeye-dev/theeye/services/internal/stream"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// A commit that was to wait for a standby and was cut short is none, also when the batch comes again and finds all of it
// stored: PostgreSQL would not wait for a transaction that writes nothing.
func TestCommitsAreAcknowledgedOnceAStandbyHasThem(t *testing.T) {
	t.Parallel()
	f := &fixture{TB: t, url: testenv.OwnPostgres(t).URL()}
	pool, err := postgres.Open(t.Context(), postgres.Options{URL: f.url, MaxConns: 2})
	f.must(err)
	t.Cleanup(pool.Close)
	f.pool, f.store = pool, NewPostgres(pool, "first", slog.New(slog.DiscardHandler))
	f.must(f.store.Migrate(t.Context()))
	f.clocked(time.Now())
	batch := []stream.Entry{f.entry(f.request(shop, item("one", "s", "")))}
	f.must(f.store.keep(t.Context(), time.Now())) // makes partitions, which commits as well
	watch, err := pgx.Connect(t.Context(), f.url)
	f.must(err)
	t.Cleanup(func() { _ = watch.Close(t.Context()) })
	f.standbys(watch, "nobody")
	for _, what := range []string{"the first time", "delivered again", "and again"} {
		result := make(chan error, 1)
		go func() { _, err := f.store.Insert(t.Context(), records(batch...)); result <- err }()
		f.cancelWaiting(watch)
		if err := <-result; !errors.Is(err, postgres.ErrUnreplicated) {
			t.Errorf("%s: %v", what, err)
		}
	}
	f.standbys(watch, "")
	outcomes, err := f.store.Insert(t.Context(), records(batch...))
	if err != nil || outcomes[Redelivered] != 1 || f.count("SELECT count(*) FROM persistence.events") != 1 {
		t.Errorf("%v, %v", outcomes, err)
	}
}

// standbys sets who has to confirm commits, and waits until sessions know.
func (f *fixture) standbys(conn *pgx.Conn, names string) {
	f.Helper()
	for _, statement := range []string{"SET synchronous_commit = local", "ALTER SYSTEM SET synchronous_standby_names = '" + names + "'", "SELECT pg_reload_conf()"} {
		_, err := conn.Exec(f.Context(), statement)
		f.must(err)
	}
	f.await("the setting to be known", func() bool {
		var found string
		f.must(conn.QueryRow(f.Context(), "SHOW synchronous_standby_names").Scan(&found))
		return found == names
	})
}

// cancelWaiting cancels a commit that waits for a standby, as a time-out does.
func (f *fixture) cancelWaiting(conn *pgx.Conn) {
	f.Helper()
	f.await("a commit to wait", func() bool {
		tag, err := conn.Exec(f.Context(), "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
		f.must(err)
		return tag.RowsAffected() > 0
	})
}

// await asks until what must happen has happened: PostgreSQL tells nobody.
func (f *fixture) await(what string, happened func() bool) {
	f.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(30 * time.Second); !happened(); <-ticker.C {
		if time.Now().After(deadline) {
			f.Fatalf("in vain awaited: %s", what)
		}
	}
}
