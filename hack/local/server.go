package main

import (
	"context"
	"fmt"
	"syscall"

	"github.com/theeye-dev/theeye/hack/servers"
)

// Preferred ports. Those of the servers lie below Linux' ephemeral range, so that a dead server's port is still free
// when it is started again.
const (
	redisPort    = 16379
	postgresPort = 15432
)

func never(int) string { return "" }

func (l *layout) redis(e *environment, taken ports) (part, error) {
	value, err := e.get(keyRedisURL, func() (string, error) {
		port, err := taken.choose(redisPort)
		return servers.RedisURL(port, servers.NewPassword()), err
	})
	if err != nil {
		return part{}, err
	}
	at, err := parseEndpoint(value)
	if err != nil {
		return part{}, err
	}
	ask := func(ctx context.Context, pid int) error { return servers.AskRedis(ctx, at.port, at.password, pid) }
	return part{
		name: "redis", stale: never, alive: ask, stop: syscall.SIGTERM,
		find: func() int { return servers.RedisPID(l.path("redis")) },
		start: func(ctx context.Context) (int, error) {
			server, err := servers.StartRedis(ctx, servers.RedisOptions{
				Dir: l.path("redis"), Port: at.port, Password: at.password, LogFile: l.logFile("redis"), Detach: true,
			})
			if err != nil {
				return 0, err
			}
			return server.PID(), nil
		},
	}, nil
}

// database is PostgreSQL. Its password is made with its data, so its URL is known only once it runs.
type database struct {
	part
	port int
}

func (l *layout) database(e *environment, taken ports) (database, error) {
	var at endpoint
	var err error
	if value := e.values[keyPostgresURL]; value != "" {
		at, err = parseEndpoint(value)
	} else {
		at.port, err = taken.choose(postgresPort)
	}
	if err != nil {
		return database{}, err
	}
	ask := func(ctx context.Context, pid int) error { return servers.AskPostgres(ctx, l.postgres, at.port, pid) }
	return database{port: at.port, part: part{
		name: "postgres", stale: never, alive: ask, stop: syscall.SIGINT,
		find: func() int { return servers.PostgresPID(l.postgres) },
		start: func(ctx context.Context) (int, error) {
			server, err := servers.StartPostgres(ctx, servers.PostgresOptions{
				Dir: l.postgres, Port: at.port, LogFile: l.logFile("postgres"), Detach: true,
			})
			if err != nil {
				return 0, err
			}
			return server.PID(), nil
		},
	}}, nil
}

func (l *layout) databaseURL(port int) (string, error) {
	password, err := servers.PostgresPassword(l.postgres)
	if err != nil {
		return "", fmt.Errorf("find PostgreSQL's URL: %w", err)
	}
	return servers.PostgresURL(port, password), nil
}
