package servers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// Slot is where a key lies, and who has it.
type Slot struct {
	Number int
	Master *ClusterNode
}

// SlotOf asks the nodes that answer who is a key's master.
func (c *RedisCluster) SlotOf(ctx context.Context, key string) (Slot, error) {
	var errs []error
	for _, node := range c.Nodes {
		slot, err := c.slotOf(ctx, node, key)
		if err == nil {
			return slot, nil
		}
		errs = append(errs, err)
	}
	return Slot{}, fmt.Errorf("find the slot of %s: %w", key, errors.Join(errs...))
}

// nodeTimeout bounds a question to a node that may be frozen.
const nodeTimeout = time.Second

func (c *RedisCluster) slotOf(ctx context.Context, asked *ClusterNode, key string) (Slot, error) {
	ctx, cancel := context.WithTimeout(ctx, nodeTimeout)
	defer cancel()
	number, err1 := asked.Client.ClusterKeySlot(ctx, key).Result()
	ranges, err2 := asked.slots(ctx)
	if err := errors.Join(err1, err2); err != nil {
		return Slot{}, fmt.Errorf("ask %s: %w", asked.Name, err)
	}
	for _, r := range ranges {
		if r.Start <= int(number) && int(number) <= r.End {
			for _, node := range c.Nodes {
				if node.ID == r.Nodes[0].ID {
					return Slot{int(number), node}, nil
				}
			}
		}
	}
	return Slot{}, fmt.Errorf("%s knows no master of slot %d", asked.Name, number)
}

// slots is who has which, as a node sees it: of each range the master first.
func (n *ClusterNode) slots(ctx context.Context) ([]redis.ClusterSlot, error) {
	return n.Client.ClusterSlots(ctx).Result() //nolint:staticcheck,wrapcheck // CLUSTER SHARDS has no order, and also who is given up
}

// Masters are the nodes that answer that they are masters and have slots.
func (c *RedisCluster) Masters(ctx context.Context) (masters []*ClusterNode) {
	for _, node := range c.Nodes {
		ctx, cancel := context.WithTimeout(ctx, nodeTimeout)
		ranges, err := node.slots(ctx)
		cancel()
		for _, r := range ranges {
			if err == nil && r.Nodes[0].ID == node.ID {
				masters = append(masters, node)
				break
			}
		}
	}
	return masters
}

// ReplicaOf is the node that follows a master; nil when none does.
func (c *RedisCluster) ReplicaOf(ctx context.Context, master *ClusterNode) *ClusterNode {
	for _, node := range c.Nodes {
		ctx, cancel := context.WithTimeout(ctx, nodeTimeout)
		info, err := node.Client.InfoMap(ctx, "replication").Result()
		cancel()
		_, port, _ := strings.Cut(master.Announced, ":")
		if err == nil && info["Replication"]["role"] == "slave" && info["Replication"]["master_port"] == port {
			return node
		}
	}
	return nil
}

// moveTimeout is what moving a slot's keys may take: they are moved whole, and the two masters stand still meanwhile.
const moveTimeout = 10 * time.Second

// Move moves the slot of a key to another master, as redis-cli does, while clients use it. Between is called when the keys
// are there and the slot is not: until it returns, who asks the old master is told ASK.
func (c *RedisCluster) Move(ctx context.Context, key string, to *ClusterNode, between func()) (keys int, err error) {
	slot, err := c.SlotOf(ctx, key)
	if err != nil {
		return 0, err
	}
	from := slot.Master
	if from == to {
		return 0, fmt.Errorf("move slot %d: it is there", slot.Number)
	}
	err1 := to.Client.Do(ctx, "CLUSTER", "SETSLOT", slot.Number, "IMPORTING", from.ID).Err()
	err2 := from.Client.Do(ctx, "CLUSTER", "SETSLOT", slot.Number, "MIGRATING", to.ID).Err()
	if err := errors.Join(err1, err2); err != nil {
		return 0, fmt.Errorf("move slot %d: %w", slot.Number, err)
	}
	if keys, err = c.migrate(ctx, slot, to); err != nil {
		return keys, err
	}
	between()
	owners := slices.DeleteFunc(c.Masters(ctx), func(n *ClusterNode) bool { return n == to })
	for _, node := range append([]*ClusterNode{to}, owners...) { // who gets it first: a crash leaves nobody without
		if err := node.Client.Do(ctx, "CLUSTER", "SETSLOT", slot.Number, "NODE", to.ID).Err(); err != nil {
			return keys, fmt.Errorf("give slot %d to %s: %w", slot.Number, to.Name, err)
		}
	}
	return keys, nil
}

func (c *RedisCluster) migrate(ctx context.Context, slot Slot, to *ClusterNode) (moved int, err error) {
	for {
		const some = 100 // keys at once
		keys, err := slot.Master.Client.ClusterGetKeysInSlot(ctx, slot.Number, some).Result()
		if err != nil || len(keys) == 0 {
			return moved, err
		}
		command := []any{"MIGRATE", "127.0.0.1", to.Port(), "", 0, moveTimeout.Milliseconds(), "KEYS"}
		for _, key := range keys {
			command = append(command, key)
		}
		if err := slot.Master.Client.Do(ctx, command...).Err(); err != nil {
			return moved, fmt.Errorf("migrate keys of slot %d: %w", slot.Number, err)
		}
		moved += len(keys)
	}
}
