package auth

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// TestConcurrentChanges lets two replicas change one application and heal at the same time.
func TestConcurrentChanges(t *testing.T) {
	t.Parallel()
	postgresURL, redis := testenv.Postgres(t), testenv.Redis(t)
	replicas := [2]*fixture{newFixtureOn(t, postgresURL, redis.URL()), newFixtureOn(t, postgresURL, redis.URL())}
	for _, f := range replicas {
		f.pass()
		f.run()
	}
	uid := uuid.New()
	var wg sync.WaitGroup
	for i := range 8 {
		f := replicas[i%2]
		wg.Go(func() {
			for j := range 10 {
				key := fmt.Sprintf("%d-%d", i, j)
				for _, r := range []struct {
					method, path string
					body         any
				}{
					{"PUT", path(uid), desired("app-" + key)},
					{"PUT", credentialPath(uid, fmt.Sprint(i)), credential(key)},
					{"DELETE", credentialPath(uid, fmt.Sprint((i+j)%8)), nil},
				} {
					if status, answer := f.send(r.method, r.path, r.body, adminToken); status >= 300 {
						t.Errorf("%s %s: %d %s", r.method, r.path, status, answer)
					}
				}
			}
		})
	}
	wg.Wait()
	f := replicas[0]
	f.same("published", f.stored(uid), f.load(uid))
}

// TestNoChangeIsLost lets requests change one application that each know nothing of the others.
func TestNoChangeIsLost(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	uid := uuid.New()
	f.put(uid, "a")
	var wg sync.WaitGroup
	for i := range MaxCredentials {
		wg.Go(func() {
			id := fmt.Sprint(i)
			if status, answer := f.send("PUT", credentialPath(uid, id), credential(id), adminToken); status != http.StatusCreated {
				t.Errorf("credential %s: %d %s", id, status, answer)
			}
		})
	}
	wg.Wait()
	if n := len(f.stored(uid).Credentials); n != MaxCredentials {
		t.Fatalf("%d of %d credentials", n, MaxCredentials)
	}
}

// TestFirstPutsRace lets many requests create one application: one does, and the others find it.
func TestFirstPutsRace(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for range 25 {
		uid := uuid.New()
		var created atomic.Int32
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				switch status, answer := f.send("PUT", path(uid), desired("a"), adminToken); status {
				case http.StatusCreated:
					created.Add(1)
				case http.StatusOK:
				default:
					t.Errorf("%d %s", status, answer)
				}
			})
		}
		wg.Wait()
		f.same("created", created.Load(), int32(1))
	}
}

// TestClientThatGoesAway leaves between commit and publish: the log has the change all the same.
func TestClientThatGoesAway(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	uid := uuid.New()
	f.put(uid, "before")
	if err := f.redis.Do(t.Context(), "CLIENT", "PAUSE", "60000", "WRITE").Err(); err != nil {
		t.Fatal(err)
	}
	ctx, leave := context.WithCancel(t.Context())
	answered := make(chan error, 1)
	go func() {
		_, err := f.service.PutApplication(ctx, desiredApplication{Key: uid, State: desired("after")})
		answered <- err
	}()
	f.eventually("committed", func() bool { return f.load(uid).Name == "after" })
	leave()
	if err := f.redis.Do(t.Context(), "CLIENT", "UNPAUSE").Err(); err != nil {
		t.Fatal(err)
	}
	if err := <-answered; err != nil {
		t.Fatal(err)
	}
	f.same("published", f.stored(uid), f.load(uid))
}

// TestServersAway kills Redis and PostgreSQL under a running service.
func TestServersAway(t *testing.T) {
	t.Parallel()
	database, redis := testenv.OwnPostgres(t), testenv.OwnRedis(t)
	f := newFixtureOn(t, database.URL(), redis.URL())
	f.run()
	f.eventually("complete", f.complete)
	uid := uuid.New()
	f.put(uid, "before")

	if err := redis.Kill(); err != nil {
		t.Fatal(err)
	}
	status, answer := f.send("PUT", path(uid), desired("during"), adminToken)
	if status != http.StatusServiceUnavailable || !strings.Contains(string(answer), "stored and will be published") {
		t.Fatalf("without redis: %d %s", status, answer)
	}
	if err := redis.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.eventually("published by itself", func() bool {
		app, _, err := f.service.log.Stored(t.Context(), uid)
		return err == nil && app.Name == "during"
	})

	if err := database.Kill(); err != nil {
		t.Fatal(err)
	}
	if status, answer := f.send("PUT", path(uid), desired("lost"), adminToken); status != http.StatusServiceUnavailable {
		t.Fatalf("without postgres: %d %s", status, answer)
	}
	if err := database.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.eventually("served again", func() bool {
		status, _ := f.send("PUT", path(uid), desired("after"), adminToken)
		return status == http.StatusOK
	})
	f.same("published", f.stored(uid), f.load(uid))
}
