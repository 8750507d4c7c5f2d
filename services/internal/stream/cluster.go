package stream

import (
	"context"
	"net/url"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/theeye-dev/theeye/services/internal/certificate"
)

const (
	// topologyAge is how old a client's picture of a cluster may be: one whose master has died is told of the replica
	// that took over by nobody, as long as it only asks the dead one.
	topologyAge = time.Second
	// clusterConns bounds the connections to each node. They are made when they are needed: by a blocking read for each
	// stream, and some beside.
	clusterConns = maxPartitions + 32
)

// ofCluster tells whether a URL is one of a Redis Cluster.
func ofCluster(text string) bool {
	parsed, err := url.Parse(text)
	return err == nil && parsed.Query().Has("addr")
}

func openCluster(text string, authorities *certificate.Authorities) (redis.UniversalClient, error) {
	o, err := redis.ParseClusterURL(text)
	if err != nil {
		return nil, errURL
	}
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout = dialTimeout, readTimeout, readTimeout
	o.MaxRetries, o.ContextTimeoutEnabled = -1, true
	o.ReadBufferSize, o.WriteBufferSize = bufferBytes, bufferBytes
	o.ClusterStateReloadInterval, o.PoolSize = topologyAge, clusterConns
	o.DialerRetries = 1 // there are other masters to append to meanwhile
	o.MaxRedirects = 0  // 0 is the client's own number: it has to follow a slot that moves, whatever the URL says
	o.ReadOnly = false  // what a replica says may be old
	o.RouteRandomly, o.RouteByLatency = false, false
	o.Dialer = dial(authorities, o.TLSConfig)
	client := redis.NewClusterClient(o)
	client.AddHook(once{})
	return client, nil
}

// once keeps a cluster's client from repeating what is not to be done twice. Where a slot has moved it goes after it,
// for what is answered MOVED or ASK was not done; but it would also repeat what got no answer.
type once struct{}

// unrepeatable are commands that do more when they are done twice, or of which a lost answer must be known to whoever
// asked: entries that were delivered with it are pending.
func unrepeatable(command string) bool {
	switch command {
	case "xadd", "eval", "evalsha", "xreadgroup", "xautoclaim":
		return true
	}
	return false
}

// unrepeated is a command that the client does not repeat.
type unrepeated struct{ redis.Cmder }

// NoRetry is what the client asks.
func (unrepeated) NoRetry() bool { return true }

func (once) DialHook(next redis.DialHook) redis.DialHook { return next }

func (once) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if unrepeatable(cmd.Name()) {
			cmd = unrepeated{cmd}
		}
		return next(ctx, cmd)
	}
}

func (once) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		marked := make([]redis.Cmder, len(cmds))
		for i, cmd := range cmds {
			if marked[i] = cmd; unrepeatable(cmd.Name()) {
				marked[i] = unrepeated{cmd}
			}
		}
		return next(ctx, marked)
	}
}
