// Command auth owns the applications and their credentials: the admin API, the application log, and access tokens.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/oklog/run"

	"github.com/theeye-dev/theeye/services/auth"
	"github.com/theeye-dev/theeye/services/internal/admin"
	"github.com/theeye-dev/theeye/services/internal/keyring"
	"github.com/theeye-dev/theeye/services/internal/kit"
	"github.com/theeye-dev/theeye/services/internal/kube"
	"github.com/theeye-dev/theeye/services/internal/ops"
	"github.com/theeye-dev/theeye/services/internal/postgres"
	"github.com/theeye-dev/theeye/services/internal/stream"
)

// maxConns is enough for an operator that reconciles many applications at once; PostgreSQL is shared with others.
const maxConns = 8

type config struct {
	serving               ops.Serving
	postgresURL, redisURL ops.Secret
	redisCA, durability   string
	adminToken            ops.Secret
	operator              kube.Flags
	issuer                string
	encryptionKey         ops.Secret
	discardUnreadable     bool
	log                   ops.LogLevel
}

func parse(args []string) (*config, error) {
	c := &config{}
	fs := flag.NewFlagSet("auth", flag.ContinueOnError)
	c.serving.Register(fs, ":8081", "`address` of the admin API, /v1/applications, and of clients: /v1/token", ":9081")
	ops.SecretVar(fs, &c.postgresURL, "postgres-url", postgres.URLUsage)
	ops.SecretVar(fs, &c.redisURL, "redis-url", stream.URLUsage)
	fs.StringVar(&c.redisCA, "redis-ca-file", "", stream.CAFileUsage)
	fs.StringVar(&c.durability, "redis-durability", string(stream.Strict), "how Redis' settings are judged: `strict`, relaxed or assumed")
	ops.SecretVar(fs, &c.adminToken, "admin-token", "`token` that opens the admin API, beside those of --operator-account")
	c.operator.Register(fs)
	fs.StringVar(&c.issuer, "issuer-url", "", "`URL` of the public port as clients reach it: the issuer of access tokens")
	ops.SecretVar(fs, &c.encryptionKey, "signing-key-encryption",
		"`text` of at least 32 bytes that the keys which sign access tokens are encrypted with; all replicas need the same")
	fs.BoolVar(&c.discardUnreadable, "discard-unreadable-signing-keys", false,
		"once at start, replace signing keys that were encrypted with another text: the access tokens that there are end")
	fs.Var(&c.log, "log-level", "`level`: debug, info, warn or error")
	if err := ops.ParseFlags(fs, "owns applications and their credentials, and publishes them on the application log", args); err != nil {
		return c, err
	}
	return c, c.validate()
}

func (c *config) validate() error {
	_, err := stream.ParseDurability(c.durability)
	errs := []error{err, c.serving.Validate(), c.validateTokens()}
	for _, required := range []struct{ name, value string }{
		{"postgres-url", c.postgresURL.Reveal()}, {"redis-url", c.redisURL.Reveal()},
	} {
		if required.value == "" {
			errs = append(errs, fmt.Errorf("--%s is required", required.name))
		}
	}
	if c.adminToken.Reveal() == "" && len(c.operator.Accounts) == 0 {
		errs = append(errs, errors.New("--admin-token or --operator-account is required"))
	}
	return errors.Join(errs...)
}

// validateTokens checks what access tokens need, once any of it is given.
func (c *config) validateTokens() error {
	if c.issuer == "" && c.encryptionKey.Reveal() == "" {
		return nil
	}
	_, err := auth.ParseIssuer(c.issuer)
	if err != nil {
		err = fmt.Errorf("--issuer-url %w", err)
	}
	_, err2 := auth.NewSealer(c.encryptionKey.Reveal())
	if err2 != nil {
		err2 = fmt.Errorf("--signing-key-encryption-file: %w", err2)
	}
	return errors.Join(err, err2)
}

// signer returns what signs access tokens; nil when there are none.
func (c *config) signer(store *auth.Store, log *auth.Log, logger *slog.Logger) (*auth.Signer, error) {
	if c.issuer == "" {
		return nil, nil
	}
	issuer, err := auth.ParseIssuer(c.issuer)
	if err != nil {
		return nil, fmt.Errorf("read issuer: %w", err)
	}
	sealer, err := auth.NewSealer(c.encryptionKey.Reveal())
	if err != nil {
		return nil, fmt.Errorf("read encryption key: %w", err)
	}
	return auth.NewSigner(store, log, logger, time.Now,
		auth.SignerOptions{Issuer: issuer, Sealer: sealer, DiscardUnreadable: c.discardUnreadable}), nil
}

func main() { ops.Main("auth", parse, serve) }

// serve wires the service and runs it until a signal or a failure:
//
//	admin API ──▶ auth.Service ──▶ PostgreSQL (Store) ──▶ application log in Redis (Log)
//	                    ▲ Run heals what lies between the two         │
//	access tokens ◀── auth.Tokens ◀── keyring.Keyring ◀── Follower ◀──┘
func serve(ctx context.Context, c *config) error {
	telemetry, err := ops.NewTelemetry(ctx, "auth", os.Stderr, c.log.Level)
	if err != nil {
		return err
	}
	defer ops.Flush(telemetry)
	stream.LogTo(telemetry.Log)
	pool, err := postgres.Open(ctx, postgres.Options{URL: c.postgresURL.Reveal(), MaxConns: maxConns, Tracing: telemetry.Tracing})
	if err != nil {
		return err
	}
	defer pool.Close()
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
	operator, err := c.operator.Operator(kube.AudienceAuth, telemetry.Meter, telemetry.Log)
	if err != nil {
		return err
	}
	failures, err := kit.NewFailures(c.serving.TrustedProxies.Client, time.Now, telemetry.Meter)
	if err != nil {
		return err
	}
	who := failures.Guard(admin.Any(admin.Optional(c.adminToken.Reveal()), operator))
	metrics, err := auth.NewMetrics(telemetry.Meter)
	if err != nil {
		return fmt.Errorf("register metrics: %w", err)
	}
	observer, err := kit.NewObserver(telemetry.Log, telemetry.Meter, telemetry.Tracing)
	if err != nil {
		return fmt.Errorf("register metrics: %w", err)
	}

	store, log := auth.NewStore(pool), auth.NewLog(client)
	signer, err := c.signer(store, log, telemetry.Log)
	if err != nil {
		return err
	}
	service := auth.NewService(store, log, signer, metrics, telemetry.Log, time.Now)
	keys := keyring.New(time.Now)
	guard := stream.NewGuard(client, stream.Durability(c.durability), telemetry.Log)
	health := ops.Health{
		{Name: "migrated", Probe: service.Ready},
		{Name: "redis_settings", Probe: func(context.Context) error { return guard.Unsafe() }},
		{Name: "signing_keys", Probe: signer.Ready},
		{Name: "postgres", Shared: true, Probe: store.Ping},
		{Name: "redis", Shared: true, Probe: log.Ping},
		{Name: "application_log_complete", Shared: true, Probe: service.Complete},
		{Name: "application_log_followed", Shared: true, Probe: func(context.Context) error { return keys.Ready() }},
	}
	tokens := auth.NewTokens(signer, keys, failures, time.Now)
	ports, err := c.serving.Bind(telemetry, auth.NewHandler(service, who, tokens, observer), health)
	if err != nil {
		return err
	}

	// Actors are interrupted in this order: requests in hand are answered while there is still something to heal with.
	var g run.Group
	g.Add(ports.Stopped(ctx))
	g.Add(ports.Public.Run, ports.Public.Stop)
	g.Add(ops.Actor(ctx, service.Run))
	g.Add(ops.Actor(ctx, keyring.NewFollower(followed, keys, telemetry.Log).Run))
	g.Add(ops.Actor(ctx, guard.Run))
	g.Add(ports.Operations.Run, ports.Operations.Stop)
	return g.Run()
}
