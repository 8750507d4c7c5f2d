package stream

import (
	"strconv"
	"testing"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/hack/servers"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// partitionsOfCluster are enough for each of three masters to have some.
const partitionsOfCluster = 8

// clusterFixture is a Redis Cluster for one test.
type clusterFixture struct {
	*fixture
	cluster *servers.RedisCluster
}

// newClusterFixture starts a cluster on which no replica takes over by itself, and whose masters go on without each other.
func newClusterFixture(t *testing.T) *clusterFixture {
	t.Helper()
	f := &clusterFixture{cluster: testenv.RedisCluster(t)}
	f.fixture = &fixture{TB: t, url: f.cluster.URL()}
	f.client = f.open()
	for _, node := range f.cluster.Nodes {
		for setting, value := range map[string]string{"cluster-replica-no-failover": "yes", "cluster-require-full-coverage": "no"} {
			f.must(node.Client.ConfigSet(t.Context(), setting, value).Err())
		}
	}
	f.must(f.client.Set(t.Context(), event.PartitionsKey, partitionsOfCluster, 0).Err())
	return f
}

func (f *clusterFixture) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

// master is who has a key, and the streams that it has and has not.
func (f *clusterFixture) master(key string) (node *servers.ClusterNode, its, others []string) {
	f.Helper()
	slot, err := f.cluster.SlotOf(f.Context(), key)
	f.must(err)
	for i := range partitionsOfCluster {
		other, err := f.cluster.SlotOf(f.Context(), event.StreamKey(i))
		f.must(err)
		if other.Master == slot.Master {
			its = append(its, event.StreamKey(i))
		} else {
			others = append(others, event.StreamKey(i))
		}
	}
	if len(its) == 0 || len(others) == 0 {
		f.Fatalf("%s has %v, others %v", slot.Master.Name, its, others)
	}
	return slot.Master, its, others
}

// expendable is a stream whose master has not the record of partitions.
func (f *clusterFixture) expendable() string {
	f.Helper()
	record, err := f.cluster.SlotOf(f.Context(), event.PartitionsKey)
	f.must(err)
	for i := range partitionsOfCluster {
		slot, err := f.cluster.SlotOf(f.Context(), event.StreamKey(i))
		f.must(err)
		if slot.Master != record.Master {
			return event.StreamKey(i)
		}
	}
	f.Fatal("one master has everything")
	return ""
}

func (f *clusterFixture) slot(key string) int64 {
	f.Helper()
	n, err := f.client.ClusterKeySlot(f.Context(), key).Result()
	f.must(err)
	return n
}

func (f *clusterFixture) lengths(keys []string) (n int64) {
	f.Helper()
	for _, key := range keys {
		n += f.client.XLen(f.Context(), key).Val()
	}
	return n
}

// keyOf is a key that a master has.
func (f *clusterFixture) keyOf(master *servers.ClusterNode) string {
	f.Helper()
	for i := 0; ; i++ {
		key := strconv.Itoa(i)
		slot, err := f.cluster.SlotOf(f.Context(), key)
		f.must(err)
		if slot.Master == master {
			return key
		}
	}
}
