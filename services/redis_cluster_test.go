package services_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/hack/servers"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// TestARedisClusterIsReshapedUnderLoad moves the slot of everything that TheEye keeps in Redis to another master, and has
// each replica take over in order, while events flow: all arrive, once and in order.
func TestARedisClusterIsReshapedUnderLoad(t *testing.T) {
	cluster := testenv.RedisCluster(t)
	s := newSystem(t, "", "THEEYE_REDIS_URL="+cluster.URL())
	a := s.register("web", registry.Policy{})
	w := workload{sessions: 120, perSession: 30, workers: workers, batch: 10, resend: 0.1, reached: make(chan int)}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		_, err := w.run(ctx, s, a)
		close(w.reached)
		done <- err
	}()
	keys := []string{registry.LatestKey, event.PartitionsKey}
	for i := range event.DefaultPartitions {
		keys = append(keys, event.StreamKey(i))
	}
	moved, took := 0, 0
	for session := range w.reached {
		switch {
		case session%10 == 5 && moved < len(keys):
			if err := moveAway(ctx, cluster, keys[moved]); err != nil {
				t.Fatalf("%s: %v", keys[moved], err)
			}
			moved++
		case session >= 70 && session%10 == 0 && took < 3:
			if err := takeOver(ctx, cluster, keys[took]); err != nil {
				t.Fatalf("%s: %v", keys[took], err)
			}
			took++
		}
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if moved < len(keys) || took < 3 {
		t.Errorf("%d slots were moved, and %d replicas took over", moved, took)
	}
	w.verify(s, a)
	s.conserves()
	a2 := s.register("after", registry.Policy{})
	if status, body := s.post(a2, eventJSON(0, 0)); status != 202 {
		t.Errorf("a new application is answered %d %s", status, body)
	}
}

// moveAway moves a key's slot to a master that has it not.
func moveAway(ctx context.Context, cluster *servers.RedisCluster, key string) error {
	slot, err := cluster.SlotOf(ctx, key)
	if err != nil {
		return err
	}
	for _, node := range cluster.Masters(ctx) {
		if node != slot.Master {
			_, err := cluster.Move(ctx, key, node, func() {})
			return err
		}
	}
	return errors.New("there is no other master")
}

// takeOver has the replica of a key's master take over, and returns when it has.
func takeOver(ctx context.Context, cluster *servers.RedisCluster, key string) error {
	slot, err := cluster.SlotOf(ctx, key)
	if err != nil {
		return err
	}
	replica := cluster.ReplicaOf(ctx, slot.Master)
	if replica == nil {
		return fmt.Errorf("%s has no replica", slot.Master.Name)
	}
	if err := replica.Client.ClusterFailover(ctx).Err(); err != nil {
		return err
	}
	const givenUp = 6 * time.Second // Redis gives up after 5 (CLUSTER_MF_TIMEOUT) where the master just was a replica itself
	asked := time.Now()
	return cluster.Await(ctx, func(ctx context.Context) error {
		now, err := cluster.SlotOf(ctx, key)
		if err == nil && now.Master == slot.Master {
			err = fmt.Errorf("%s has it still", now.Master.Name)
			if time.Since(asked) > givenUp {
				asked, err = time.Now(), errors.Join(err, replica.Client.ClusterFailover(ctx).Err())
			}
		}
		return errors.Join(err, cluster.Whole(ctx))
	})
}
