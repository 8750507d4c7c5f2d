package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/theeye-dev/theeye/hack/servers"
	"github.com/theeye-dev/theeye/hack/standalone"
)

// sample is the manifest that is applied, the same as in a cluster.
const sample = "config/samples/application.yaml"

// readyTimeout is what all together may take until they serve, once each of them runs.
const readyTimeout = 50 * time.Second

// up is the start and the repair alike: it makes every part run in order, and leaves alone what is well.
func up(ctx context.Context, l *layout) error {
	if _, err := servers.FindRedis(); err != nil {
		return err
	}
	if _, err := servers.FindPostgres(); err != nil {
		return err
	}
	e, err := readEnvironment(l.path("env"))
	if err != nil {
		return err
	}
	say("starting Redis (data in %s) and PostgreSQL (%s)", l.path("redis"), l.postgres)
	taken := ports{}
	if err := l.upServers(ctx, e, taken); err != nil {
		return err
	}
	say("building the services (the first time takes minutes)")
	if err := l.build(ctx); err != nil {
		return err
	}
	say("starting the services")
	if err := l.upServices(ctx, e, taken); err != nil {
		return err
	}
	say("applying %s", sample)
	if err := l.apply(ctx, e); err != nil {
		return err
	}
	say("sending sample events and reading them back")
	if err := roundTrip(ctx, e); err != nil {
		return err
	}
	printHints(os.Stdout)
	return nil
}

func (l *layout) upServers(ctx context.Context, e *environment, taken ports) error {
	redis, err := l.redis(e, taken)
	if err != nil {
		return err
	}
	database, err := l.database(e, taken)
	if err != nil {
		return err
	}
	if _, err := e.get(keyAdminToken, newToken); err != nil {
		return err
	}
	if err := e.write(); err != nil { // before anything runs on what was chosen
		return err
	}
	for _, p := range []part{redis, database.part} {
		if err := l.ensure(ctx, p); err != nil {
			return err
		}
	}
	url, err := l.databaseURL(database.port)
	if err != nil {
		return err
	}
	e.set(keyPostgresURL, url)
	return e.write()
}

func (l *layout) upServices(ctx context.Context, e *environment, taken ports) error {
	if err := l.ensureSigningKey(); err != nil {
		return err
	}
	parts := make([]part, len(serviceNames))
	for i, name := range serviceNames {
		var err error
		if parts[i], err = l.service(name, e, taken); err != nil {
			return err
		}
	}
	e.set(keyTokenURL, e.values[publicKey("auth")]+"/v1/token")
	if err := e.write(); err != nil {
		return err
	}
	for _, p := range parts {
		if err := l.ensure(ctx, p); err != nil {
			return err
		}
	}
	for _, p := range parts {
		if err := wait(ctx, readyTimeout, p.ready); err != nil {
			return fmt.Errorf("%s does not get ready: %w; see %s", p.name, err, l.logFile(p.name))
		}
	}
	return nil
}

// apply applies the sample manifest; its first application's credentials are those of the environment.
func (l *layout) apply(ctx context.Context, e *environment) error {
	f, err := os.Open(l.root + "/" + sample)
	if err != nil {
		return fmt.Errorf("open sample: %w", err)
	}
	defer f.Close() //nolint:errcheck // only read
	applications, err := standalone.Read(f)
	if err != nil {
		return fmt.Errorf("%s: %w", sample, err)
	}
	keys := standalone.Keys(l.path("keys"))
	if id, key := e.values[keyClientID], e.values[keyAPIKey]; id != "" && key != "" {
		if err := keys.Put(id, key); err != nil { // what people hold is what counts
			return err
		}
	}
	auth := standalone.Auth{URL: e.values[publicKey("auth")], Token: e.values[keyAdminToken]}
	for i := range applications {
		c, err := auth.ApplyKept(ctx, &applications[i], keys)
		if err != nil {
			return err
		}
		if i == 0 {
			e.set(keyClientID, c.ClientID)
			e.set(keyClientSecret, c.APIKey)
			e.set(keyAPIKey, c.APIKey)
		}
	}
	return e.write()
}
