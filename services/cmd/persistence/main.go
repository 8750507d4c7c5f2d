// Command persistence stores what is on the event streams and answers reads.
package main

import (
	"context"
	"errors"
	"flag"
	"os"
	"time"

	"github.com/oklog/run"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/services/internal/admin"
	"github.com/theeye-dev/theeye/services/internal/failpoint"
	"github.com/theeye-dev/theeye/services/internal/keyring"
	"github.com/theeye-dev/theeye/services/internal/kit"
	"github.com/theeye-dev/theeye/services/internal/kube"
	"github.com/theeye-dev/theeye/services/internal/ops"
	"github.com/theeye-dev/theeye/services/internal/postgres"
	"github.com/theeye-dev/theeye/services/internal/stream"
	"github.com/theeye-dev/theeye/services/persistence"
)

type config struct {
	serving               ops.Serving
	redisURL, postgresURL ops.Secret
	redisCA               string
	durability, replica   string
	partitions            int
	maxConns              int
	gather, tail          time.Duration
	tailMemory            int // MiB
	retention             string
	adminToken            ops.Secret
	operator              kube.Flags
	console               bool
	log                   ops.LogLevel
}

func parse(args []string) (config, error) {
	var c config
	host, _ := os.Hostname() // a pod's name, stable over restarts of its container
	fs := flag.NewFlagSet("persistence", flag.ContinueOnError)
	c.serving.Register(fs, ":8082", "public `address`: GET /v1/events, /v1/sessions, /v1/stats, /v1/export, /v1/failures, /v1/access", ":9082")
	ops.SecretVar(fs, &c.redisURL, "redis-url", stream.URLUsage)
	fs.StringVar(&c.redisCA, "redis-ca-file", "", stream.CAFileUsage)
	ops.SecretVar(fs, &c.postgresURL, "postgres-url", postgres.URLUsage)
	fs.StringVar(&c.durability, "redis-durability", string(stream.Strict), "how Redis' settings are judged: `strict`, relaxed or assumed")
	fs.StringVar(&c.replica, "replica", host, "`name` of this replica as a consumer: stable over restarts and unlike every other's")
	fs.IntVar(&c.partitions, "partitions", event.DefaultPartitions, "`number` of event streams, at the very first start of an installation only")
	fs.IntVar(&c.maxConns, "postgres-max-conns", 8, "`connections` to PostgreSQL for reads at most; storing has 6 more")
	fs.DurationVar(&c.gather, "gather", 50*time.Millisecond, "`time` that events collect after a small batch, to share a transaction")
	fs.StringVar(&c.retention, "retention", persistence.RetentionEnforce, "what becomes of events whose application's retention has passed: "+
		"`enforce`, which deletes them, or report, which only tells of them: GET /v1/retention")
	fs.DurationVar(&c.tail, "tail", 0, "`time` that entries stay in the streams after they are stored, for a database that comes back as an "+
		"older copy of itself (a backup, a standby): it is given what it lacks, at most 72h; 0: none")
	fs.IntVar(&c.tailMemory, "tail-memory", stream.DefaultTailBytes>>20, "`MiB` of Redis that the tail may take, of all streams together")
	ops.SecretVar(fs, &c.adminToken, "admin-token", "`token` that may read everything, and do what --operator-account may")
	c.operator.Register(fs)
	c.operator.RegisterAccess(fs)
	fs.BoolVar(&c.console, "console", true, "serve pages for people at / of the public port")
	fs.Var(&c.log, "log-level", "`level`: debug, info, warn or error")
	if err := ops.ParseFlags(fs, "stores events exactly once and answers questions about them", args); err != nil {
		return c, err
	}
	return c, c.validate()
}

func (c *config) validate() error {
	var errs []error
	require := func(ok bool, text string) {
		if !ok {
			errs = append(errs, errors.New(text))
		}
	}
	require(c.redisURL.Reveal() != "", "--redis-url is required")
	require(c.postgresURL.Reveal() != "", "--postgres-url is required")
	require(c.replica != "", "--replica is required: the host has no name")
	require(c.partitions >= 1, "--partitions must be at least 1")
	require(c.maxConns >= 1, "--postgres-max-conns must be at least 1")
	require(c.gather >= 0 && c.gather <= time.Second, "--gather must be between 0 and 1s")
	require(c.retention == persistence.RetentionEnforce || c.retention == persistence.RetentionReport, "--retention must be enforce or report")
	require(c.tail >= 0 && c.tail <= stream.MaxTail, "--tail must be between 0 and 72h")
	require(c.tailMemory >= 1, "--tail-memory must be at least 1")
	require(c.adminToken.Reveal() != "" || len(c.operator.Accounts) > 0, "--admin-token or --operator-account is required")
	_, err := stream.ParseDurability(c.durability)
	return errors.Join(append(errs, err, c.operator.Validate(), c.serving.Validate())...)
}

// storeConns are for storing, erasing, retention, replaying, housekeeping, making indexes and probes, apart from those for reads: slow
// questions must not keep events from being stored.
const storeConns = 6

// memoryLimit is soft: a batch in hand has about 4 MiB of entries, and reads some pages of events.
const memoryLimit = 448 << 20

func main() { ops.Main("persistence", parse, serve) }

func serve(ctx context.Context, c config) error {
	ops.TuneMemory(memoryLimit)
	telemetry, err := ops.NewTelemetry(ctx, "persistence", os.Stderr, c.log.Level)
	if err != nil {
		return err
	}
	defer ops.Flush(telemetry)
	stream.LogTo(telemetry.Log)
	client, err := stream.OpenTrusting(c.redisURL.Reveal(), c.redisCA, telemetry.Log)
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	pool, err := postgres.Open(ctx, postgres.Options{URL: c.postgresURL.Reveal(), MaxConns: storeConns, Tracing: telemetry.Tracing})
	if err != nil {
		return err
	}
	defer pool.Close()
	reads, err := postgres.Open(ctx, postgres.Options{URL: c.postgresURL.Reveal(), MaxConns: int32(c.maxConns), Tracing: telemetry.Tracing})
	if err != nil {
		return err
	}
	defer reads.Close()
	operator, err := c.operator.Operator(kube.AudiencePersistence, telemetry.Meter, telemetry.Log)
	if err != nil {
		return err
	}

	keys := keyring.New(time.Now)
	guard := stream.NewGuard(client, stream.Durability(c.durability), telemetry.Log)
	store := persistence.NewPostgres(pool, c.replica, telemetry.Log)
	schema := postgres.NewSchema(store.Migrate, telemetry.Log)
	erased := persistence.NewErasureLog(client, store, time.Now, telemetry.Log)
	consumer, keeper, err := wire(c, client, store, erased, telemetry)
	if err != nil {
		return err
	}
	observer, err := kit.NewObserver(telemetry.Log, telemetry.Meter, telemetry.Tracing)
	if err != nil {
		return err
	}
	health := ops.Health{
		{Name: "schema_migrated", Probe: func(context.Context) error { return schema.Ready() }},
		{Name: "redis_settings", Probe: func(context.Context) error { return guard.Unsafe() }},
		{Name: "postgres_settings", Probe: func(ctx context.Context) error { return settingsError(postgres.CheckDurability(ctx, pool)) }},
		{Name: "application_log_followed", Shared: true, Probe: func(context.Context) error { return keys.Ready() }},
		{Name: "redis", Shared: true, Probe: func(ctx context.Context) error { return client.Ping(ctx).Err() }},
		{Name: "postgres", Shared: true, Probe: pool.Ping},
	}
	eraser, err := persistence.NewEraser(store, time.Now, telemetry.Log, telemetry.Meter)
	if err != nil {
		return err
	}
	retention, err := retain(c, client, store, telemetry)
	if err != nil {
		return err
	}
	tail, err := announce(c, client, store, telemetry)
	if err != nil {
		return err
	}
	replayer, err := persistence.NewReplayer(store, keys, time.Now, telemetry.Log, telemetry.Meter)
	if err != nil {
		return err
	}
	eraser.Remember(erased)
	eraser.Silence(tail)
	reader := &persistence.Reader{Store: persistence.NewPostgres(reads, c.replica, telemetry.Log), Keys: keys, Admin: admin.Optional(c.adminToken.Reveal()), Operator: operator}
	if err := admit(c, reader, telemetry); err != nil {
		return err
	}
	reader.Eraser, reader.Retention, reader.Replays, reader.Tail, reader.Now, reader.Backlog = eraser, retention, replayer, tail, time.Now, keeper
	if reader.Failures, err = kit.NewFailures(c.serving.TrustedProxies.Client, time.Now, telemetry.Meter); err != nil {
		return err
	}
	public, sessions, err := pages(c, persistence.Handler(reader, observer), reads, observer, telemetry)
	if err != nil {
		return err
	}
	ports, err := c.serving.Bind(telemetry, public, health)
	if err != nil {
		return err
	}

	var g run.Group
	g.Add(ports.Stopped(ctx))
	g.Add(ops.Actor(ctx, tail.Run)) // stopped before the port, whose answers it ends
	g.Add(ports.Public.Run, ports.Public.Stop)
	g.Add(ops.Actor(ctx, schema.Then(erased.Then(consumer.Run))))
	g.Add(ops.Actor(ctx, schema.Then(func(ctx context.Context) error { return store.Keep(ctx, failpoint.Now, telemetry.Log) })))
	g.Add(ops.Actor(ctx, schema.Then(func(ctx context.Context) error { return store.KeepIndexes(ctx, telemetry.Log) })))
	g.Add(ops.Actor(ctx, schema.Then(eraser.Run)))
	g.Add(ops.Actor(ctx, schema.Then(retention.Run)))
	g.Add(ops.Actor(ctx, schema.Then(replayer.Run)))
	g.Add(ops.Actor(ctx, schema.Then(persistence.NewSchemas(store, keys, time.Now, telemetry.Log).Run)))
	g.Add(ops.Actor(ctx, schema.Then(erased.Run)))
	g.Add(ops.Actor(ctx, schema.Then(sessions.Run)))
	g.Add(ops.Actor(ctx, schema.Run))
	g.Add(ops.Actor(ctx, keeper.Run))
	g.Add(ops.Actor(ctx, keyring.NewFollower(client, keys, telemetry.Log).Run))
	g.Add(ops.Actor(ctx, guard.Run))
	g.Add(ports.Operations.Run, ports.Operations.Stop)
	return g.Run()
}

// settingsError keeps what is wrong with PostgreSQL's settings; that it does not answer is another check's.
func settingsError(err error) error {
	if errors.Is(err, postgres.ErrUnsafe) {
		return err
	}
	return nil
}
