package stream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// ReplicasUsage is the help of a flag with what RequireReplicas takes.
const ReplicasUsage = "`number` of Redis' replicas that must have an event, too, before it is answered 202; 0: none, and a failover may " +
	"lose what was accepted in the moment before. Where they don't have it in time it is answered 503"

// MaxReplicas is more than anybody has: each is one more that must not be away.
const MaxReplicas = 5

// waitTime bounds the wait for replicas. It is much for a network, and little of publishBudget: on a Redis Cluster there
// are other masters, whose replicas may be well.
const waitTime = time.Second

// errUnreplicated is what append gets when Redis has an entry that too few replicas have: it may be lost or not.
var errUnreplicated = errors.New("append entry: too few replicas have it")

// RequireReplicas has Publish return only once so many replicas of Redis have the entry, too. It is called before Run.
func (p *Producer) RequireReplicas(n int) { p.replicas = n }

// xadd appends and returns the entry's id; "" when there is no stream.
func (p *Producer) xadd(ctx context.Context, args *redis.XAddArgs) (string, error) {
	if p.replicas == 0 {
		return p.client.XAdd(ctx, args).Result() //nolint:wrapcheck // add does
	}
	master, err := p.master(ctx, args.Stream)
	if err != nil {
		return "", err
	}
	var added *redis.StringCmd
	waited := redis.NewIntCmd(ctx, "wait", p.replicas, waitTime.Milliseconds())
	_, _ = master.Pipelined(ctx, func(pipe redis.Pipeliner) error { // WAIT is for what its own connection wrote
		added = pipe.XAdd(ctx, args)
		return pipe.Process(ctx, waited)
	})
	id, err := added.Result()
	if err != nil {
		p.moved(ctx, err)
		return "", err //nolint:wrapcheck // add does
	}
	switch n, err := waited.Result(); {
	case err != nil:
		return "", fmt.Errorf("%w: %s", errUnreplicated, err.Error()) // what Redis answered is about the wait alone
	case int(n) < p.replicas:
		return "", fmt.Errorf("%w: %d of %d", errUnreplicated, n, p.replicas)
	}
	return id, nil
}

// master is who has a stream.
func (p *Producer) master(ctx context.Context, key string) (redis.Cmdable, error) {
	cluster, ok := p.client.(*redis.ClusterClient)
	if !ok {
		return p.client, nil
	}
	master, err := cluster.MasterForKey(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("find the master of a stream: %w", err)
	}
	return master, nil
}

// moved has a cluster's client look again who has what, when it asked the wrong one.
func (p *Producer) moved(ctx context.Context, err error) {
	if cluster, ok := p.client.(*redis.ClusterClient); ok && errPrefix(err, "MOVED", "ASK") {
		cluster.ReloadState(ctx)
	}
}
