package persistence

import (
	"context"
	"log/slog"
	"time"

	"github.com/google/uuid"
	metricnoop "go.opentelemetry.io/otel/metric/noop"

	"github.com/theeye-dev/theeye/api/registry"
)

// applicationLog is what a Retention is told, by hand.
type applicationLog map[uuid.UUID]*registry.Application

func (l applicationLog) records(context.Context) (map[uuid.UUID]*registry.Application, error) {
	return l, nil
}

// keep makes a record; 0 is for ever.
func (l applicationLog) keep(uid uuid.UUID, kept time.Duration) {
	a := registry.Application{UID: uid, Namespace: "shop", Name: uid.String()[:4], Revision: 1}
	if before := l[uid]; before != nil {
		a.Revision = before.Revision + 1
	}
	if kept != 0 {
		a.Policy.Retention = (*registry.Duration)(&kept)
	}
	l[uid] = &a
}

// retention returns one replica's.
func (f *fixture) retention(store *Postgres, log applicationLog, now *time.Time) *Retention {
	f.Helper()
	r := &Retention{Store: store, Records: log.records, Now: func() time.Time { return *now }, Log: slog.New(slog.DiscardHandler)}
	f.must(r.Register(metricnoop.Meter{}))
	return r
}

// consistent checks that ledger and sessions are what the events make them, and that no day is half gone.
func (f *fixture) consistent(when string) {
	f.Helper()
	f.same(when+": ledger",
		f.lines("SELECT application::text, id, sequence::text FROM persistence.events ORDER BY 1, 2"),
		f.lines("SELECT application::text, id, sequence::text FROM persistence.ledger ORDER BY 1, 2"))
	f.same(when+": sessions",
		f.lines("SELECT session_id, application::text, min(occurred_at)::text, max(occurred_at)::text, count(*) FROM persistence.events GROUP BY 1, 2 ORDER BY 1, 2"),
		f.lines("SELECT session_id, application::text, first_at::text, last_at::text, events FROM persistence.sessions ORDER BY 1, 2"))
	f.same(when+": days in between", []string{"0 0"}, f.lines(`
		SELECT (SELECT count(*) FROM persistence.expired_days), (SELECT count(*) FROM pg_class WHERE relname LIKE 'expired_2%' AND relkind = 'r')`))
}

// ids lists the ids of an application's events.
func (f *fixture) ids(application uuid.UUID) []string {
	f.Helper()
	return f.lines("SELECT id FROM persistence.events WHERE application = $1 ORDER BY id", application)
}
