// Command ingest is the door: POST /v1/events.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/oklog/run"
	"github.com/redis/go-redis/v9"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/ingest"
	"github.com/theeye-dev/theeye/services/internal/failpoint"
	"github.com/theeye-dev/theeye/services/internal/keyring"
	"github.com/theeye-dev/theeye/services/internal/kit"
	"github.com/theeye-dev/theeye/services/internal/ops"
	"github.com/theeye-dev/theeye/services/internal/quota"
	"github.com/theeye-dev/theeye/services/internal/stream"
)

type config struct {
	serving    ops.Serving
	redisURL   ops.Secret
	redisCA    string
	durability string
	replicas   int // of Redis
	partitions int
	requests   int // MiB
	limits     stream.Limits
	publicRate int // events per second
	log        ops.LogLevel
}

func parse(args []string) (config, error) {
	var c config
	fs := flag.NewFlagSet("ingest", flag.ContinueOnError)
	c.serving.Register(fs, ":8080", "public `address`: POST /v1/events", ":9080")
	ops.SecretVar(fs, &c.redisURL, "redis-url", stream.URLUsage)
	fs.StringVar(&c.redisCA, "redis-ca-file", "", stream.CAFileUsage)
	fs.StringVar(&c.durability, "redis-durability", string(stream.Strict), "how Redis' settings are judged: `strict`, relaxed or assumed")
	fs.IntVar(&c.replicas, "redis-replicas", 0, stream.ReplicasUsage)
	fs.IntVar(&c.partitions, "partitions", event.DefaultPartitions, "`number` of event streams, at the very first start of an installation only")
	fs.IntVar(&c.requests, "request-memory", ingest.DefaultRequestMemory>>20, "`MiB` that requests in hand may hold together; beyond it they "+
		"are answered 503. 2,000 connections and the program itself take as much again, and the whole is kept below GOMEMLIMIT")
	fs.IntVar(&c.limits.Entries, "max-backlog", stream.DefaultMaxBacklog, "`number` of entries that may wait in Redis to be stored; beyond "+
		"it requests are answered 503; 0: no limit")
	fs.IntVar(&c.limits.Memory, "max-redis-memory", stream.DefaultMaxMemory, "`percent` of its maxmemory that Redis may hold; beyond it "+
		"requests are answered 503, so that others may still write; 0: no limit")
	fs.IntVar(&c.publicRate, "public-rate", ingest.DefaultPublicRate, "`events` per second that web pages may post for an application "+
		"whose policy has no limits, twice as many at once; beyond it they are answered 429; 0: any number")
	fs.Var(&c.log, "log-level", "`level`: debug, info, warn or error")
	if err := ops.ParseFlags(fs, "takes events in over HTTP and appends them to Redis Streams", args); err != nil {
		return c, err
	}
	return c, c.validate()
}

func (c *config) validate() error {
	var errs []error
	if c.redisURL.Reveal() == "" {
		errs = append(errs, errors.New("--redis-url is required"))
	}
	if c.partitions < 1 {
		errs = append(errs, errors.New("--partitions must be at least 1"))
	}
	if c.replicas < 0 || c.replicas > stream.MaxReplicas {
		errs = append(errs, fmt.Errorf("--redis-replicas must be between 0 and %d", stream.MaxReplicas))
	}
	if c.requests < ingest.MinRequestMemory>>20 {
		errs = append(errs, fmt.Errorf("--request-memory must be at least %d", ingest.MinRequestMemory>>20))
	}
	if c.limits.Entries < 0 || c.limits.Memory < 0 || c.limits.Memory > 100 {
		errs = append(errs, errors.New("--max-backlog must be at least 0, --max-redis-memory between 0 and 100"))
	}
	if c.publicRate < 0 || c.publicRate > registry.MaxRate {
		errs = append(errs, fmt.Errorf("--public-rate must be between 0 and %d", registry.MaxRate))
	}
	_, err := stream.ParseDurability(c.durability)
	return errors.Join(append(errs, err, c.serving.Validate())...)
}

// memoryLimit is soft, and below the 256 MiB that the chart gives: ingest.DefaultRequestMemory, what is in the queue to
// Redis included, 40 MiB of connections, what judging small requests takes and the program itself stay below it.
const memoryLimit = 208 << 20

func main() { ops.Main("ingest", parse, serve) }

func serve(ctx context.Context, c config) error {
	ops.TuneMemory(memoryLimit)
	telemetry, err := ops.NewTelemetry(ctx, "ingest", os.Stderr, c.log.Level)
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
	followed, err := stream.OpenTrusting(c.redisURL.Reveal(), c.redisCA, telemetry.Log) // blocking reads hold a connection of their own
	if err != nil {
		return err
	}
	defer func() { _ = followed.Close() }()

	keys := keyring.New(time.Now)
	guard := stream.NewGuard(client, stream.Durability(c.durability), telemetry.Log)
	pressure := stream.NewPressure(client, c.partitions, c.limits, telemetry.Log)
	producer, service, err := wire(c, client, func() error { return cmp.Or(guard.Check(), pressure.Check()) }, telemetry)
	if err != nil {
		return err
	}
	limited, err := quota.NewMetrics(telemetry.Meter)
	if err != nil {
		return err
	}
	limiter := quota.New(client, c.publicRate, time.Now, telemetry.Log, limited)
	service.Limit(limiter)
	observer, err := kit.NewObserver(telemetry.Log, telemetry.Meter, telemetry.Tracing)
	if err != nil {
		return err
	}
	health := ops.Health{
		{Name: "application_log_read", Probe: func(context.Context) error { return keys.Read() }},
		{Name: "redis_settings", Probe: func(context.Context) error { return guard.Unsafe() }},
		{Name: "application_log_followed", Shared: true, Probe: func(context.Context) error { return keys.Ready() }},
		{Name: "redis", Shared: true, Probe: func(ctx context.Context) error { return client.Ping(ctx).Err() }},
	}
	failures, err := kit.NewFailures(c.serving.TrustedProxies.Client, time.Now, telemetry.Meter)
	if err != nil {
		return err
	}
	ports, err := c.serving.Bind(telemetry, ingest.Handler(service, keys, failures, observer), health)
	if err != nil {
		return err
	}

	// Actors are interrupted in this order: the door closes and drains before the producer stops and limits are settled.
	var g run.Group
	g.Add(ports.Stopped(ctx))
	g.Add(ports.Public.Run, func(err error) {
		service.Close() // first: a body may take longer than requests in hand have
		ports.Public.Stop(err)
	})
	g.Add(ops.Actor(ctx, producer.Run))
	g.Add(ops.Actor(ctx, limiter.Run))
	g.Add(ops.Actor(ctx, keyring.NewFollower(followed, keys, telemetry.Log).Run))
	g.Add(ops.Actor(ctx, guard.Run))
	g.Add(ops.Actor(ctx, pressure.Run))
	g.Add(ports.Operations.Run, ports.Operations.Stop)
	return g.Run()
}

func wire(c config, client redis.UniversalClient, safe func() error, t *ops.Telemetry) (*stream.Producer, *ingest.Service, error) {
	produced, err := stream.NewProducerMetrics(t.Meter)
	if err != nil {
		return nil, nil, fmt.Errorf("register metrics: %w", err)
	}
	judged, err := ingest.NewMetrics(t.Meter)
	if err != nil {
		return nil, nil, fmt.Errorf("register metrics: %w", err)
	}
	producer := stream.NewProducer(client, c.partitions, t.Log, t.Tracer, produced)
	producer.RequireReplicas(c.replicas)
	service := ingest.New(producer, safe, failpoint.Now, judged)
	service.Admit(ingest.NewAdmission(int64(c.requests) << 20))
	return producer, service, nil
}
