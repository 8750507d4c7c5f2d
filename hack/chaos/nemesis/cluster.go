package nemesis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"syscall"
	"time"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/hack/servers"
)

// clusterFaults are about the nodes of a Redis Cluster, instead of those about one Redis.
func clusterFaults() []Fault {
	return []Fault{
		{Name: "kill-master", On: Redis, Do: killMaster},
		{Name: "kill-master-shortly", On: Redis, Do: killMasterShortly},
		{Name: "kill-master-ahead", On: Redis, Do: killMasterAhead},
		{Name: "freeze-master", On: Redis, Do: freezeMaster},
		{Name: "kill-replica", On: Redis, Do: killReplica},
		{Name: "freeze-replica", On: Redis, Do: freezeReplica},
		{Name: "failover", On: Redis, Do: failover},
		{Name: "move-slot", On: Redis, Do: moveSlot},
	}
}

// master chooses a key at random, of a stream, of the record of streams or of the application log, and who has it.
func (s *Strike) master(ctx context.Context) (key string, master *servers.ClusterNode, err error) {
	keys := []string{event.PartitionsKey, registry.LatestKey}
	for i := range event.DefaultPartitions {
		keys = append(keys, event.StreamKey(i), event.StreamKey(i))
	}
	key = keys[s.Random.IntN(len(keys))]
	slot, err := s.World.Cluster.SlotOf(ctx, key)
	if err != nil {
		return key, nil, err //nolint:wrapcheck // says what
	}
	s.target = slot.Master.Name
	return key, slot.Master, nil
}

// pair is master, with one of its replicas that follows; nil when none does.
func (s *Strike) pair(ctx context.Context) (key string, master, replica *servers.ClusterNode, err error) {
	if key, master, err = s.master(ctx); err != nil {
		return key, nil, nil, err
	}
	return key, master, s.World.Cluster.ReplicaOf(ctx, master), nil
}

// killMaster kills a master, waits until its replica has its slots, and starts it again as the replica.
func killMaster(ctx context.Context, s *Strike) (string, error) {
	key, master, err := s.master(ctx)
	if err != nil {
		return "", err
	}
	begin, pid := time.Now(), master.PID()
	if err := master.Kill(); err != nil {
		return "", err //nolint:wrapcheck // says which
	}
	heir, err := s.heir(ctx, key, master)
	took := time.Since(begin)
	if err == nil {
		pause(ctx, s.Hold/2)
	}
	err = errors.Join(err, master.Restart(ctx), s.whole(ctx))
	if heir == nil {
		return "", err
	}
	return fmt.Sprintf("process %d killed, %s has its slots after %.1f s", pid, heir.Name, took.Seconds()), err
}

// killMasterAhead kills a master whose replica has not heard of it for a while, as on a network that fails: what the master
// was given meanwhile goes with it, unless whoever gave it asked for the replica, too.
func killMasterAhead(ctx context.Context, s *Strike) (string, error) {
	key, master, replica, err := s.pair(ctx)
	if err != nil || replica == nil {
		return "", err
	}
	if err := replica.Signal(syscall.SIGSTOP); err != nil {
		return "", err //nolint:wrapcheck // says which
	}
	err = master.Client.ClientKillByFilter(ctx, "TYPE", "replica").Err() // else all of it would wait in the replica's socket
	pause(ctx, min(s.Hold, behind))
	err = errors.Join(err, master.Kill(), replica.Signal(syscall.SIGCONT))
	heir, err2 := s.heir(ctx, key, master)
	err = errors.Join(err, err2, master.Restart(ctx), s.whole(ctx))
	if heir == nil {
		return "", err
	}
	return fmt.Sprintf("%s was behind and has the slots", heir.Name), err
}

// behind is how long a replica is kept from its master at most: less than after what both are given up.
const behind = 1500 * time.Millisecond

// freezeMaster stops a master until its replica has taken over, and lets it go on: it has yet to hear of it.
func freezeMaster(ctx context.Context, s *Strike) (string, error) {
	key, master, err := s.master(ctx)
	if err != nil {
		return "", err
	}
	if err := master.Signal(syscall.SIGSTOP); err != nil {
		return "", err //nolint:wrapcheck // says which
	}
	heir, err := s.heir(ctx, key, master)
	err = errors.Join(err, master.Signal(syscall.SIGCONT), s.whole(ctx))
	if heir == nil {
		return "", err
	}
	return fmt.Sprintf("process %d stood still until %s had its slots", master.PID(), heir.Name), err
}

// heir waits until another node is the master of a key.
func (s *Strike) heir(ctx context.Context, key string, dead *servers.ClusterNode) (heir *servers.ClusterNode, err error) {
	ctx, cancel := context.WithTimeout(ctx, healTime/2)
	defer cancel()
	err = s.World.Cluster.Await(ctx, func(ctx context.Context) error {
		slot, err := s.World.Cluster.SlotOf(ctx, key)
		if err == nil && slot.Master == dead {
			err = fmt.Errorf("%s is still %s's", key, dead.Name)
		}
		heir = slot.Master
		return err //nolint:wrapcheck // says what
	})
	if err != nil {
		return nil, err //nolint:wrapcheck // says what
	}
	return heir, nil
}

// whole waits until every master has a replica again that follows it, as far as other faults let it.
func (s *Strike) whole(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, healTime/2)
	defer cancel()
	return s.World.Cluster.Await(ctx, s.World.Cluster.Whole) //nolint:wrapcheck // says what
}

// killMasterShortly has a killed master back before anybody gives it up.
func killMasterShortly(ctx context.Context, s *Strike) (string, error) {
	_, master, err := s.master(ctx)
	if err != nil {
		return "", err
	}
	return restarted(ctx, s, master)
}

// killReplica kills the replica of a master.
func killReplica(ctx context.Context, s *Strike) (string, error) {
	replica, err := s.replica(ctx)
	if err != nil || replica == nil {
		return "", err
	}
	pause(ctx, s.Hold)
	return restarted(ctx, s, replica)
}

func restarted(ctx context.Context, s *Strike, node *servers.ClusterNode) (string, error) {
	pid := node.PID()
	if err := node.Kill(); err != nil {
		return "", err //nolint:wrapcheck // says which
	}
	err := errors.Join(node.Restart(ctx), s.whole(ctx))
	return fmt.Sprintf("process %d killed", pid), err
}

func (s *Strike) replica(ctx context.Context) (*servers.ClusterNode, error) {
	_, _, replica, err := s.pair(ctx)
	if replica != nil {
		s.target = replica.Name
	}
	return replica, err
}

// freezeReplica stops a replica for a while: it falls behind its master.
func freezeReplica(ctx context.Context, s *Strike) (string, error) {
	replica, err := s.replica(ctx)
	if err != nil || replica == nil {
		return "", err
	}
	if err := replica.Signal(syscall.SIGSTOP); err != nil {
		return "", err //nolint:wrapcheck // says which
	}
	pause(ctx, s.Hold)
	err = replica.Signal(syscall.SIGCONT)
	return fmt.Sprintf("process %d stood still", replica.PID()), errors.Join(err, s.whole(ctx))
}

// failover has a replica take over in order: the master waits until it has everything.
func failover(ctx context.Context, s *Strike) (string, error) {
	key, master, replica, err := s.pair(ctx)
	if err != nil || replica == nil {
		return "", err
	}
	if err := replica.Client.ClusterFailover(ctx).Err(); err != nil {
		return "", fmt.Errorf("fail over: %w", err)
	}
	heir, err := s.heir(ctx, key, master)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s took over from %s", heir.Name, master.Name), s.whole(ctx)
}

// moveSlot moves the slot of a stream, of the record of streams or of the application log to another master, and stays
// half way for a while.
func moveSlot(ctx context.Context, s *Strike) (string, error) {
	key, from, err := s.master(ctx)
	if err != nil {
		return "", err
	}
	var others []*servers.ClusterNode
	for _, node := range s.World.Cluster.Masters(ctx) {
		if node != from {
			others = append(others, node)
		}
	}
	if len(others) == 0 {
		return "", errNobody
	}
	to := others[s.Random.IntN(len(others))]
	before, err := asked(ctx, from)
	if err != nil {
		return "", err
	}
	keys, err := s.World.Cluster.Move(ctx, key, to, func() { pause(ctx, s.Hold) })
	if err != nil {
		return "", err //nolint:wrapcheck // says what
	}
	after, err := asked(ctx, from)
	return effect(keys, "%d keys of %s's slot moved from %s to %s, %d times told to ask there", keys, key, from.Name, to.Name, after-before), err
}

// asked is how often a node has answered ASK.
func asked(ctx context.Context, node *servers.ClusterNode) (int, error) {
	return countOf(ctx, node, "errorstat_ASK")
}

func countOf(ctx context.Context, node *servers.ClusterNode, name string) (int, error) {
	stats, err := node.Client.InfoMap(ctx, "errorstats").Result()
	if err != nil {
		return 0, fmt.Errorf("read errors of %s: %w", node.Name, err)
	}
	text := stats["Errorstats"][name]
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text[len("count="):])
	if err != nil {
		return 0, fmt.Errorf("read errors of %s: %w", node.Name, err)
	}
	return n, nil
}

// ClusterCatalogue is everything that can be done to a world with a Redis Cluster.
func ClusterCatalogue() []Fault {
	var faults []Fault
	for _, f := range Catalogue() {
		if f.On != Redis {
			faults = append(faults, f)
		}
	}
	return append(faults, clusterFaults()...)
}
