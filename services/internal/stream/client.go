package stream

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	dialTimeout = 2 * time.Second
	// readTimeout bounds one answer of Redis. A write that took longer has an unknown outcome and is repeated.
	readTimeout = 3 * time.Second
	// bufferBytes of each connection: entries are tens of kilobytes, and larger buffers were not faster.
	bufferBytes = 64 << 10
)

// Open returns a client for redis:// or rediss:// URLs; with addr parameters (?addr=host:port&addr=…) for a Redis
// Cluster. It connects on first use. The client never repeats a command by itself: a repeated XADD is a second entry
// that only its caller can answer for.
func Open(url string) (redis.UniversalClient, error) {
	if strings.Contains(url, "addr=") {
		o, err := redis.ParseClusterURL(url)
		if err != nil {
			return nil, errURL
		}
		o.DialTimeout, o.ReadTimeout, o.WriteTimeout = dialTimeout, readTimeout, readTimeout
		o.MaxRetries, o.ContextTimeoutEnabled = -1, true
		o.ReadBufferSize, o.WriteBufferSize = bufferBytes, bufferBytes
		return redis.NewClusterClient(o), nil
	}
	o, err := redis.ParseURL(url)
	if err != nil {
		return nil, errURL
	}
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout = dialTimeout, readTimeout, readTimeout
	o.MaxRetries, o.ContextTimeoutEnabled = -1, true
	o.ReadBufferSize, o.WriteBufferSize = bufferBytes, bufferBytes
	return redis.NewClient(o), nil
}

// errURL hides the cause, which would show the password.
var errURL = errors.New("parse redis url: want redis://[user:password@]host:port[/db] or rediss://…")

// errPrefix tells whether Redis itself answered with an error of one of these kinds.
func errPrefix(err error, prefixes ...string) bool {
	var answer redis.Error
	if !errors.As(err, &answer) {
		return false
	}
	for _, p := range prefixes {
		if strings.HasPrefix(answer.Error(), p) {
			return true
		}
	}
	return false
}

// isAnswer tells whether Redis answered, so that the outcome is known.
func isAnswer(err error) bool {
	var answer redis.Error
	return errors.As(err, &answer)
}

func wrap(verb string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", verb, err)
}
