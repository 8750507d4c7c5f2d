package stream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// replicaWait bounds the wait for replicas: far longer than a healthy one takes, and less than readTimeout.
	replicaWait = time.Second
	// MaxReplicas is more than anybody has: each is one more that must not be away.
	MaxReplicas = 5
)

// errUnreplicated leaves an entry in doubt: Redis has it, and a replica that is promoted may not.
var errUnreplicated = errors.New("append entry: too few replicas have confirmed it")

// AwaitReplicas has Publish return only once so many replicas of Redis have an entry as well (WAIT), so that one of them
// that is promoted has it. 0 is none. It is called before Run.
func (p *Producer) AwaitReplicas(n int) { p.replicas = n }

// xadd appends one entry, and waits for replicas in the same round trip: WAIT is about what its own connection has written.
func (p *Producer) xadd(ctx context.Context, args *redis.XAddArgs) (id string, err error) {
	if p.replicas == 0 {
		return p.client.XAdd(ctx, args).Result()
	}
	client, err := p.masterOf(ctx, args.Stream)
	if err != nil {
		return "", err
	}
	var added *redis.StringCmd
	var confirmed *redis.Cmd
	_, _ = client.Pipelined(ctx, func(pipe redis.Pipeliner) error { // each command tells its own error
		added = pipe.XAdd(ctx, args)
		confirmed = pipe.Do(ctx, "wait", p.replicas, replicaWait.Milliseconds())
		return nil
	})
	if id, err = added.Result(); err != nil {
		if cluster, ok := p.client.(*redis.ClusterClient); ok && errPrefix(err, "MOVED", "ASK") {
			cluster.ReloadState(ctx) // the client of one node follows nobody
		}
		return id, err
	}
	n, err := confirmed.Int()
	if err != nil {
		return "", fmt.Errorf("%w: %w", errUnreplicated, err)
	}
	if n < p.replicas {
		return "", errUnreplicated
	}
	return id, nil
}

// masterOf returns a client of the one node that has a key: a cluster's client would send WAIT to any.
func (p *Producer) masterOf(ctx context.Context, key string) (redis.Cmdable, error) {
	cluster, ok := p.client.(*redis.ClusterClient)
	if !ok {
		return p.client, nil
	}
	return cluster.MasterForKey(ctx, key)
}
