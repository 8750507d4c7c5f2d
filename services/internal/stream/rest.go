package stream

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"
)

// next is the partition whose turn it is: the next that does not rest, or whichever when all do.
func (p *Producer) next() (key string) {
	for range p.keys {
		p.turn = (p.turn + 1) % len(p.keys)
		if key = p.keys[p.turn]; time.Now().After(p.rested[key]) {
			return key
		}
	}
	p.turn = (p.turn + 1) % len(p.keys)
	return p.keys[p.turn]
}

// rest leaves a partition of a Redis Cluster alone for a while, and all that are on the same master: the others take
// its share meanwhile. On one Redis there is nowhere else to go: others tells whether there is.
func (p *Producer) rest(ctx context.Context, key string) (others bool) {
	cluster, ok := p.client.(*redis.ClusterClient)
	if !ok || key == "" {
		return false
	}
	until := time.Now().Add(restTime)
	master := masterOf(ctx, cluster, key)
	for _, other := range p.keys {
		if other == key || master != "" && masterOf(ctx, cluster, other) == master {
			p.rested[other] = until
		}
		others = others || time.Now().After(p.rested[other])
	}
	return others
}

// masterOf is the address of a key's master as far as the client knows; "" when it knows none.
func masterOf(ctx context.Context, cluster *redis.ClusterClient, key string) string {
	master, err := cluster.MasterForKey(ctx, key)
	if err != nil {
		return ""
	}
	return master.Options().Addr
}
