package servers

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// slots of every Redis Cluster.
const slots = 16384

// RedisClusterOptions say how to run a Redis Cluster.
type RedisClusterOptions struct {
	Dir     string // of the nodes' directories
	LogDir  string // default Dir
	Masters int    // at the beginning; each has one replica
	// Settings are added to, or replace, those that make a node durable.
	Settings map[string]string
	// Announce returns the port that a node says it has to clients and to other nodes, of a proxy before its own; nil: its own.
	Announce func(node, port int) (int, error)
}

// RedisCluster is a running Redis Cluster of which each node is a process.
type RedisCluster struct {
	// Nodes are those that began as masters, and then the replica of each in the same order.
	Nodes []*ClusterNode

	options RedisClusterOptions
}

// ClusterNode is a node of a Redis Cluster.
type ClusterNode struct {
	*Redis
	Name string
	// ID is the node's own, the same after every Restart.
	ID string
	// Announced is the host:port that it says it has.
	Announced string
	// Client reaches it alone, past any proxy.
	Client *redis.Client

	bus int // port for other nodes
}

// StartRedisCluster starts a cluster and returns when every node takes it for whole.
func StartRedisCluster(ctx context.Context, options RedisClusterOptions) (*RedisCluster, error) {
	c := &RedisCluster{options: options}
	if c.options.LogDir == "" {
		c.options.LogDir = c.options.Dir
	}
	for i := range 2 * options.Masters {
		node, err := c.start(ctx, i)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("start node %d of a cluster: %w", i, err), c.Kill())
		}
		c.Nodes = append(c.Nodes, node)
	}
	if err := c.join(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("join the nodes of a cluster: %w", err), c.Kill())
	}
	return c, nil
}

func (c *RedisCluster) start(ctx context.Context, i int) (*ClusterNode, error) {
	port, err1 := FreePort()
	bus, err2 := FreePort()
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	announced := port
	if c.options.Announce != nil {
		var err error
		if announced, err = c.options.Announce(i, port); err != nil {
			return nil, err
		}
	}
	node := &ClusterNode{Name: "redis-" + strconv.Itoa(i+1), Announced: Address(announced), bus: bus}
	settings := map[string]string{
		"cluster-enabled": "yes", "cluster-port": strconv.Itoa(bus), "cluster-announce-ip": "127.0.0.1",
		"cluster-announce-port": strconv.Itoa(announced),
	}
	maps.Copy(settings, c.options.Settings)
	var err error
	node.Redis, err = StartRedis(ctx, RedisOptions{
		Dir: filepath.Join(c.options.Dir, node.Name), Port: port, LogFile: filepath.Join(c.options.LogDir, node.Name+".log"), Settings: settings,
	})
	if err != nil {
		return nil, err
	}
	node.Client = redis.NewClient(&redis.Options{Addr: node.Address(), MaxRetries: -1, ContextTimeoutEnabled: true})
	return node, nil
}

// join deals the slots out to the masters, has all nodes meet, and gives each master its replica.
func (c *RedisCluster) join(ctx context.Context) (err error) {
	first, masters := c.Nodes[0], c.options.Masters
	for i, node := range c.Nodes {
		if node.ID, err = node.Client.Do(ctx, "CLUSTER", "MYID").Text(); err != nil {
			return fmt.Errorf("ask for an id: %w", err)
		}
		commands := [][]any{{"CLUSTER", "SET-CONFIG-EPOCH", i + 1}}
		if i < masters {
			commands = append(commands, []any{"CLUSTER", "ADDSLOTSRANGE", i * slots / masters, (i+1)*slots/masters - 1})
		}
		if i > 0 {
			commands = append(commands, []any{"CLUSTER", "MEET", "127.0.0.1", first.Port(), first.bus})
		}
		for _, command := range commands {
			if err := node.Client.Do(ctx, command...).Err(); err != nil {
				return fmt.Errorf("%v: %w", command, err)
			}
		}
	}
	if err := c.Await(ctx, c.met); err != nil {
		return err
	}
	for i, node := range c.Nodes[masters:] {
		if err := node.Client.ClusterReplicate(ctx, c.Nodes[i].ID).Err(); err != nil {
			return fmt.Errorf("make a replica: %w", err)
		}
	}
	return c.Await(ctx, c.Whole)
}

// Await asks until the answer is nil, or ctx ends.
func (c *RedisCluster) Await(ctx context.Context, ask func(context.Context) error) error {
	return Await(ctx, nil, c.Nodes[0].options.LogFile, ask)
}

// met answers nil when every node knows every other.
func (c *RedisCluster) met(ctx context.Context) error {
	for _, node := range c.Nodes {
		info, err := node.Client.ClusterInfo(ctx).Result()
		if err == nil && !strings.Contains(info, fmt.Sprintf("cluster_known_nodes:%d\r\n", len(c.Nodes))) {
			err = fmt.Errorf("%s has not met all others", node.Name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Whole answers nil when every node takes the cluster for whole, and as many replicas as masters follow their masters.
func (c *RedisCluster) Whole(ctx context.Context) error {
	replicas := 0
	for _, node := range c.Nodes {
		state, err1 := node.Client.ClusterInfo(ctx).Result()
		replication, err2 := node.Client.Info(ctx, "replication").Result()
		switch err := errors.Join(err1, err2); {
		case err != nil:
			return fmt.Errorf("ask %s: %w", node.Name, err)
		case !strings.Contains(state, "cluster_state:ok"):
			return fmt.Errorf("%s takes the cluster for broken", node.Name)
		case strings.Contains(replication, "role:slave"):
			if replicas++; !strings.Contains(replication, "master_link_status:up") {
				return fmt.Errorf("%s has not caught up", node.Name)
			}
		}
	}
	if replicas != c.options.Masters {
		return fmt.Errorf("%d replicas, not %d", replicas, c.options.Masters)
	}
	return nil
}

// URL is how the services reach the cluster: by the first node, with the addresses of all.
func (c *RedisCluster) URL() string {
	var others []string
	for _, node := range c.Nodes {
		others = append(others, "addr="+node.Announced)
	}
	return "redis://" + c.Nodes[0].Announced + "?" + strings.Join(others, "&")
}

// Kill ends every node by SIGKILL.
func (c *RedisCluster) Kill() error {
	var errs []error
	for _, node := range c.Nodes {
		errs = append(errs, node.Client.Close(), node.Redis.Kill())
	}
	return errors.Join(errs...)
}
