package world

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/theeye-dev/theeye/hack/servers"
)

// reopenTime is far longer than any process is in the making.
const reopenTime = 5 * time.Second

// Direction of what travels on a link.
type Direction string

// The directions: requests go up, replies come down.
const (
	Up   Direction = "upstream"
	Down Direction = "downstream"
)

// Toxic is what can be done to a link; toxiproxy's documentation has the types and their attributes.
type Toxic struct {
	Type       string         `json:"type"`
	Stream     Direction      `json:"stream"`
	Attributes map[string]any `json:"attributes"`
}

// Link is a proxy between two parts of the installation.
type Link struct {
	Name  string // who → whom
	proxy *toxiproxy.Proxy
}

// links makes proxies.
type links struct{ server *toxiproxy.ApiServer }

func newLinks() links {
	registerMeter()
	zerolog.SetGlobalLevel(zerolog.Disabled) // the proxy's toxics log of their own accord
	return links{toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop())}
}

// open starts a proxy to an address of 127.0.0.1.
func (l links) open(name, target string) (*Link, error) {
	port, err := servers.FreePort()
	if err != nil {
		return nil, fmt.Errorf("open link %s: %w", name, err)
	}
	link := &Link{Name: name, proxy: toxiproxy.NewProxy(l.server, name, servers.Address(port), target)}
	for _, d := range []Direction{Up, Down} {
		if _, err := link.add(Toxic{meterToxic, d, map[string]any{"key": link.key(d)}}); err != nil {
			return nil, err
		}
	}
	if err := link.proxy.Start(); err != nil {
		return nil, fmt.Errorf("open link %s: %w", name, err)
	}
	return link, nil
}

// key of a meter is unlike that of any other link of this process, also of another run.
func (l *Link) key(d Direction) string { return l.proxy.Listen + " " + string(d) }

// Address is host:port of the near end.
func (l *Link) Address() string { return l.proxy.Listen }

// Passed is how many bytes have passed in a direction, up to the toxics.
func (l *Link) Passed(d Direction) int64 { return counter(l.key(d)).Load() }

// Poison adds a toxic, and returns what removes it.
func (l *Link) Poison(t Toxic) (cure func(ctx context.Context) error, err error) { return l.add(t) }

func (l *Link) add(t Toxic) (cure func(ctx context.Context) error, err error) {
	text, err := json.Marshal(t)
	if err != nil {
		return nil, fmt.Errorf("poison %s: %w", l.Name, err)
	}
	added, err := l.proxy.Toxics.AddToxicJson(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("poison %s: %w", l.Name, err)
	}
	return func(ctx context.Context) error {
		if err := l.proxy.Toxics.RemoveToxic(ctx, added.Name); err != nil {
			return fmt.Errorf("cure %s: %w", l.Name, err)
		}
		return nil
	}, nil
}

// Cut closes every connection; new ones may be made at once.
func (l *Link) Cut() error {
	l.proxy.Stop()
	if err := l.reopen(); err != nil {
		return fmt.Errorf("open link %s again: %w", l.Name, err)
	}
	return nil
}

// reopen listens again. A child process that is being started keeps a closed listener until it becomes another program.
func (l *Link) reopen() error {
	ctx, cancel := context.WithTimeout(context.Background(), reopenTime)
	defer cancel()
	return servers.Await(ctx, nil, "", func(context.Context) error { return l.proxy.Start() })
}

// Point ends every connection, and leads new ones to another server.
func (l *Link) Point(target string) error {
	l.proxy.Stop()
	l.proxy.Upstream = target
	if err := l.reopen(); err != nil {
		return fmt.Errorf("lead link %s elsewhere: %w", l.Name, err)
	}
	return nil
}

// Break ends every connection, and refuses new ones.
func (l *Link) Break() { l.proxy.Stop() }

func (l *Link) close() { l.proxy.Stop() }
