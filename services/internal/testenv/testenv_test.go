package testenv_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/theeye-dev/theeye/services/internal/testenv"
)

func TestDatabasesAreApart(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	first, second := testenv.Postgres(t), testenv.Postgres(t)
	if first == second {
		t.Fatalf("both tests got %s", first)
	}
	for _, url := range []string{first, second} {
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Exec(ctx, "CREATE TABLE same_name (n int)"); err != nil {
			t.Error(err)
		}
		if err := conn.Close(ctx); err != nil {
			t.Error(err)
		}
	}
}

func TestOwnServersCanBeKilled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	redis, postgres := testenv.OwnRedis(t), testenv.OwnPostgres(t)
	for range 2 {
		for _, server := range []interface {
			Kill() error
			Restart(context.Context) error
		}{redis, postgres} {
			if err := server.Kill(); err != nil {
				t.Fatal(err)
			}
			if err := server.Restart(ctx); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := postgres.Kill(); err != nil { // what is left behind goes with the test
		t.Fatal(err)
	}
}
