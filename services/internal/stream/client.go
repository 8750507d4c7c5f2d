package stream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/theeye-dev/theeye/services/internal/certificate"
)

const (
	dialTimeout = 2 * time.Second
	// readTimeout bounds one answer of Redis. A write that took longer has an unknown outcome and is repeated.
	readTimeout = 3 * time.Second
	// bufferBytes of each connection: entries are tens of kilobytes, and larger buffers were not faster.
	bufferBytes = 64 << 10
)

// URLUsage is the help of a flag with what Open takes.
const URLUsage = "Redis `URL`: redis://[user:password@]host:port[/db], rediss:// for TLS; of a Redis Cluster with some of its other " +
	"nodes, …?addr=host:port&addr=host:port, or with the same one again"

// Open returns a client for redis:// or rediss:// URLs; with addr parameters (?addr=host:port&addr=…) for a Redis
// Cluster. It connects on first use. The client never repeats a command by itself: a repeated XADD is a second entry
// that only its caller can answer for. Over TLS it trusts the system's authorities.
func Open(url string) (redis.UniversalClient, error) { return open(url, nil) }

// CAFileUsage is the help of a flag with the file that OpenTrusting takes.
const CAFileUsage = "`path` of the certificate authorities in PEM form that are trusted with Redis' certificate, instead of the " +
	"system's; needs rediss://, and is read again when it changes"

// OpenTrusting is Open with the certificate authorities of a file instead of the system's; "" is Open.
func OpenTrusting(url, caFile string, log *slog.Logger) (redis.UniversalClient, error) {
	if caFile == "" {
		return Open(url)
	}
	if !strings.HasPrefix(url, "rediss://") {
		return nil, errors.New("open redis: certificate authorities are of no use without TLS, which a URL with rediss:// asks for")
	}
	authorities, err := certificate.OpenAuthorities(caFile, log)
	if err != nil {
		return nil, fmt.Errorf("open redis: %w", err)
	}
	return open(url, authorities)
}

// dialer makes a client's connections; nil where the client's own will do.
type dialer = func(ctx context.Context, network, address string) (net.Conn, error)

func dial(authorities *certificate.Authorities, secure *tls.Config) dialer {
	if authorities == nil {
		return nil
	}
	return authorities.Dial(secure, dialTimeout)
}

func open(url string, authorities *certificate.Authorities) (redis.UniversalClient, error) {
	if ofCluster(url) {
		return openCluster(url, authorities)
	}
	o, err := redis.ParseURL(url)
	if err != nil {
		return nil, errURL
	}
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout = dialTimeout, readTimeout, readTimeout
	o.MaxRetries, o.ContextTimeoutEnabled = -1, true
	o.ReadBufferSize, o.WriteBufferSize = bufferBytes, bufferBytes
	o.Dialer = dial(authorities, o.TLSConfig)
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
