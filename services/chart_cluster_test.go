package services_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	metricnoop "go.opentelemetry.io/otel/metric/noop"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/hack/servers"
	"github.com/theeye-dev/theeye/services/internal/keyring"
	"github.com/theeye-dev/theeye/services/internal/quota"
	"github.com/theeye-dev/theeye/services/internal/stream"
)

// TestRightsOnARedisCluster: beside its rules a user needs there what the page about existing servers says, and no more.
func TestRightsOnARedisCluster(t *testing.T) {
	t.Parallel()
	const beside = "+cluster|slots"
	if !strings.Contains(readFile(t, existingPage), "`"+beside+"`") {
		t.Fatalf("the page does not say %s", beside)
	}
	r := newClusterNode(t, beside)
	log := slog.New(slog.DiscardHandler)
	for _, user := range []string{"ingest", "persistence", "auth"} {
		client, err := stream.Open(r.url(user) + "?addr=127.0.0.1:" + r.port)
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close() //nolint:errcheck // the test's end
		errs := []error{stream.CheckDurability(t.Context(), client, stream.Strict), client.HMGet(t.Context(), registry.LatestKey, registry.FieldTail).Err()}
		switch user {
		case "ingest":
			_, err := stream.Partitions(t.Context(), client, 4, log)
			errs = append(errs, err, limited(t, client), client.XGroupCreateMkStream(t.Context(), event.StreamKey(3), event.PersistenceGroup, "0").Err(),
				client.XAdd(t.Context(), &redis.XAddArgs{Stream: event.StreamKey(3), NoMkStream: true, Values: []string{event.FieldBatch, "x"}}).Err(),
				client.Do(t.Context(), "WAIT", 0, 1).Err())
		case "persistence":
			errs = append(errs, client.XReadGroup(t.Context(), &redis.XReadGroupArgs{
				Group: event.PersistenceGroup, Consumer: "c", Streams: []string{event.StreamKey(3), ">"}, Block: -1,
			}).Err(), client.Time(t.Context()).Err(), client.Info(t.Context(), "memory").Err())
		default:
			errs = append(errs, client.HSet(t.Context(), registry.LatestKey, registry.FieldTail, "1-1").Err())
		}
		if err := errors.Join(errs...); err != nil {
			t.Errorf("%s: %v", user, err)
		}
	}
	if refused := r.refusals(); len(refused) > 0 {
		t.Errorf("Redis refused %q", refused)
	}
}

// limited has applications limited, in several slots of a cluster, until Redis has been told of all that they sent.
func limited(t *testing.T, client redis.UniversalClient) error {
	t.Helper()
	metrics, err := quota.NewMetrics(metricnoop.Meter{})
	if err != nil {
		return err
	}
	limiter := quota.New(client, 10, time.Now, slog.New(slog.NewTextHandler(t.Output(), nil)), metrics)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- limiter.Run(ctx) }()
	keys := map[string]string{}
	for n := range 20 {
		p := keyring.Principal{Credential: []string{"1", ""}[n%2], Application: &registry.Application{UID: uuid.New()}}
		p.Application.Policy.Limits = &registry.Limits{EventsPerSecond: 1, Burst: 80}
		for _, events := range []int{1, 60} { // of a lease, and beyond it
			err = errors.Join(err, limiter.Of(p).Take(t.Context(), events))
		}
		key := quota.KeyPrefix + "{" + p.Application.UID.String() + "}"
		if p.Credential == "" {
			key += ":public"
		}
		keys[key] = "61"
	}
	cancel()
	err = errors.Join(err, <-ended)
	for key, want := range keys {
		if got, problem := client.HMGet(t.Context(), key, "total").Result(); problem != nil || got[0] != want {
			err = errors.Join(err, problem, fmt.Errorf("%s has %v", key, got))
		}
	}
	return err
}

// newClusterNode is a Redis Cluster of one node with the chart's users, each with one rule more.
func newClusterNode(t *testing.T, beside string) *chartRedis {
	t.Helper()
	r := newChartRedis(t)
	if err := r.Kill(); err != nil {
		t.Fatal(err)
	}
	rules := strings.ReplaceAll(readFile(t, r.path("rules/users.acl")), " +config|get", " +config|get "+beside)
	writeFiles(t, r.path("rules"), map[string]string{"users.acl": rules})
	if err := try(t, r.users(r.path("users.acl"))); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(r.path("appendonlydir")); err != nil { // a node that joins has no data
		t.Fatal(err)
	}
	r.start("--cluster-enabled", "yes")
	inspect := r.client(inspector)
	if err := inspect.ClusterAddSlotsRange(t.Context(), 0, 16383).Err(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	err := servers.Await(ctx, r.Process, r.path("redis.log"), func(ctx context.Context) error {
		info, err := inspect.ClusterInfo(ctx).Result()
		if err == nil && !strings.Contains(info, "cluster_state:ok") {
			err = fmt.Errorf("the cluster says %s", info)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}
