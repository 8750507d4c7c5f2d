package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/keyring"
	"github.com/theeye-dev/theeye/services/internal/kit"
	"github.com/theeye-dev/theeye/services/internal/ops"
	"github.com/theeye-dev/theeye/services/internal/stream"
	"github.com/theeye-dev/theeye/services/persistence"
	"github.com/theeye-dev/theeye/services/persistence/console"
)

// wire joins the consumer to the service that stores what it reads.
func wire(c config, client redis.UniversalClient, store *persistence.Postgres, anchor stream.Anchor, t *ops.Telemetry) (*stream.Consumer, *stream.Keeper, error) {
	outcomes, err := persistence.NewMetrics(t.Meter)
	if err != nil {
		return nil, nil, fmt.Errorf("register metrics: %w", err)
	}
	consumed, err := stream.NewConsumerMetrics(t.Meter)
	if err != nil {
		return nil, nil, fmt.Errorf("register metrics: %w", err)
	}
	keeper, err := stream.NewKeeper(client, c.partitions, t.Log, t.Meter)
	if err != nil {
		return nil, nil, fmt.Errorf("register metrics: %w", err)
	}
	if c.tail > 0 {
		if err := keeper.Hold(stream.Tail{For: c.tail, Bytes: int64(c.tailMemory) << 20, Anchor: anchor}, t.Meter); err != nil {
			return nil, nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	return &stream.Consumer{
		Client: client, Group: event.PersistenceGroup, Name: c.replica, Partitions: c.partitions, Gather: c.gather,
		Handle: persistence.New(store, t.Log, outcomes).Store, Log: t.Log, Tracer: t.Tracer, Metrics: consumed,
	}, keeper, nil
}

// retain joins retention to the application log, which tells how long.
func retain(c config, client redis.UniversalClient, store *persistence.Postgres, t *ops.Telemetry) (*persistence.Retention, error) {
	r := &persistence.Retention{
		Store: store, Now: time.Now, Log: t.Log, ReportOnly: c.retention == persistence.RetentionReport,
		Records: func(ctx context.Context) (map[uuid.UUID]*registry.Application, error) {
			return keyring.Records(ctx, client)
		},
	}
	return r, r.Register(t.Meter)
}

// admit lets people read what Kubernetes allows them.
func admit(c config, reader *persistence.Reader, t *ops.Telemetry) error {
	people, err := c.operator.People(t.Meter, t.Log)
	if people != nil { // else no interface may hold it
		reader.People = people
	}
	return err
}

// announce joins the store to the live tail, which it writes and every replica reads.
func announce(c config, client redis.UniversalClient, store *persistence.Postgres, t *ops.Telemetry) (*persistence.Tail, error) {
	announcer, err := persistence.NewAnnouncer(client, c.replica, time.Now, t.Log, t.Meter)
	if err != nil {
		return nil, err
	}
	store.Announce = announcer.Announce
	return persistence.NewTail(client, time.Now, t.Log, t.Meter)
}

// pages puts the console before the API, unless it is off; sessions of one that was on are purged in any case.
func pages(c config, api *http.ServeMux, pool *pgxpool.Pool, observer *kit.Observer, t *ops.Telemetry) (*http.ServeMux, *console.Sessions, error) {
	sessions := console.NewSessions(pool, time.Now, t.Log)
	if !c.console {
		return api, sessions, nil
	}
	pages, err := console.New(console.Options{
		API: api, Sessions: sessions, Observer: observer, Now: time.Now, Log: t.Log, Version: ops.Version,
	})
	if err != nil {
		return nil, nil, err
	}
	return pages.Handler(), sessions, nil
}
