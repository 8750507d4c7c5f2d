package world

import (
	"context"
	"fmt"
	"maps"
	"net"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/theeye-dev/theeye/hack/servers"
)

// masters of a cluster; each has a replica.
const masters = 3

// clusterSettings are those that are documented for a Redis Cluster, with a shorter patience than the 5 s there: it is to
// be over within a run.
func clusterSettings() map[string]string {
	return map[string]string{
		"cluster-node-timeout":          "2000",
		"cluster-require-full-coverage": "no",
	}
}

// startCluster starts a Redis Cluster. Each node says that it is where a link to it begins, so that everything that comes
// to it passes that, also what its replica is sent.
func (w *World) startCluster(ctx context.Context) (err error) {
	l, settings := newLinks(), clusterSettings()
	maps.Copy(settings, w.options.RedisSettings)
	behind := map[string]string{} // announced address → its own
	options := servers.RedisClusterOptions{Dir: w.RedisDir(), LogDir: w.options.Dir, Masters: masters, Settings: settings}
	if !w.options.Plain {
		options.Announce = func(node, port int) (int, error) {
			link, err := l.open("→ redis-"+strconv.Itoa(node+1), servers.Address(port))
			if err != nil {
				return 0, err
			}
			w.links, w.nodes = append(w.links, link), append(w.nodes, link)
			behind[link.Address()] = servers.Address(port)
			_, announced, _ := net.SplitHostPort(link.Address())
			return strconv.Atoi(announced) //nolint:wrapcheck // a link has a port
		}
	}
	if w.Cluster, err = servers.StartRedisCluster(ctx, options); err != nil {
		return fmt.Errorf("start servers: %w", err)
	}
	w.client = past(behind, w.Cluster)
	return nil
}

// past is a client that goes past the links.
func past(behind map[string]string, cluster *servers.RedisCluster) redis.UniversalClient {
	options := &redis.ClusterOptions{
		ClusterStateReloadInterval: time.Second,
		Dialer: func(ctx context.Context, network, address string) (net.Conn, error) {
			if own, ok := behind[address]; ok {
				address = own
			}
			return (&net.Dialer{Timeout: askTimeout}).DialContext(ctx, network, address) //nolint:wrapcheck // the client's own
		},
	}
	for _, node := range cluster.Nodes {
		options.Addrs = append(options.Addrs, node.Announced)
	}
	return redis.NewClusterClient(options)
}

// NodeLinks are the links to the nodes of the cluster.
func (w *World) NodeLinks() []*Link { return w.nodes }
