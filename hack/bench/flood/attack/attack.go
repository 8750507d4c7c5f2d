// Package attack is what hostile clients do to the door, from a seed: bodies that are no JSON, bombs, nesting without end,
// wrong keys, connections that send nothing or hardly anything.
package attack

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Plan is who floods what, and how much.
type Plan struct {
	Address   string  `json:"address"`    // host:port of the door, without TLS
	Key       string  `json:"key"`        // an API key of the hostile application
	Seed      uint64  `json:"seed"`       // the same seed sends the same bodies
	PerSecond float64 `json:"per_second"` // requests of each kind
	Idle      int     `json:"idle"`       // connections that send nothing
	Slow      int     `json:"slow"`       // connections of each kind that sends a byte now and then
	Connects  float64 `json:"connects"`   // connections of each kind opened a second in the beginning; 0: all at once
	Only      string  `json:"only"`       // what the names of the kinds of requests begin with that are sent; empty: all

	Told func(kind, outcome string) `json:"-"` // called for each outcome as it is counted, one at a time; may be nil
}

// Tally is how often each kind of request was answered how: by kind and status, or "broken" for a connection that ended.
type Tally map[string]map[string]int

// flood is a Plan under way.
type flood struct {
	Plan
	mu    sync.Mutex
	tally Tally
}

// Run floods until the context ends.
func Run(ctx context.Context, p Plan) Tally {
	f := &flood{Plan: p, tally: Tally{}}
	var all sync.WaitGroup
	for number, kind := range requests {
		if !strings.HasPrefix(kind.name, p.Only) {
			continue
		}
		all.Go(func() { f.requests(ctx, number, kind) })
	}
	for n := range p.Idle {
		all.Go(func() { f.keep(ctx, "idle connections", n, idle) })
	}
	for n := range p.Slow {
		all.Go(func() { f.keep(ctx, "slow headers", n, slowHeader) })
		all.Go(func() { f.keep(ctx, "slow bodies", n, slowBody) })
	}
	all.Wait()
	return f.tally
}

func (f *flood) count(kind, outcome string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.tally[kind] == nil {
		f.tally[kind] = map[string]int{}
	}
	f.tally[kind][outcome]++
	if f.Told != nil {
		f.Told(kind, outcome)
	}
}

// dial connects from one of this machine's other addresses, so that the door can tell hostile clients from good ones as
// it could on a network.
func (f *flood) dial(ctx context.Context, n int) (net.Conn, error) {
	from := &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(1+n%16))}
	conn, err := (&net.Dialer{LocalAddr: from, Timeout: 5 * time.Second}).DialContext(ctx, "tcp", f.Address)
	if err != nil {
		return nil, err //nolint:wrapcheck // only counted
	}
	return &piecewise{conn}, nil
}

// piece is how much is written at once. On the loopback interface the kernel delivers in the sender's name and lets nobody
// else run until it is done: 10 MB at once kept a processor for up to 21 ms, whatever the priority.
const piece = 16 << 10

type piecewise struct{ net.Conn }

func (p *piecewise) Write(b []byte) (written int, err error) {
	for {
		n, err := p.Conn.Write(b[written:min(len(b), written+piece)])
		if written += n; err != nil || written == len(b) {
			return written, err //nolint:wrapcheck // the connection's
		}
	}
}

// requests sends one kind at its rate, at moments that know nothing of each other (a Poisson process). Who waits for an
// answer does not delay the next one, up to a bound.
func (f *flood) requests(ctx context.Context, number int, k kind) {
	random := rand.New(rand.NewPCG(f.Seed, uint64(number))) //nolint:gosec // repeatable, and no secret
	client := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true, DisableCompression: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return f.dial(ctx, number) },
	}}
	underway := make(chan struct{}, 32)
	var all sync.WaitGroup
	defer all.Wait()
	for {
		request := k.make(random, f.Key)
		select {
		case underway <- struct{}{}:
		case <-ctx.Done():
			return
		}
		all.Go(func() {
			f.count(k.name, f.send(ctx, client, request))
			<-underway
		})
		select {
		case <-time.After(time.Duration(random.ExpFloat64() / f.PerSecond * float64(time.Second))):
		case <-ctx.Done():
			return
		}
	}
}

func (f *flood) send(ctx context.Context, client *http.Client, s sent) string {
	var body io.Reader = strings.NewReader(s.body)
	if s.chunked {
		body = io.MultiReader(body) // of no length that anybody knows
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+f.Address+"/v1/events", body)
	if err != nil {
		return err.Error()
	}
	request.Header.Set("Authorization", "Bearer "+s.key)
	request.Header.Set("Content-Type", "application/json")
	if s.event {
		for name, value := range map[string]string{"specversion": "1.0", "id": "1", "source": "/flood", "type": "flood.hostile", "sessionid": "flood"} {
			request.Header.Set("Ce-"+name, value)
		}
	}
	if s.coding != "" {
		request.Header.Set("Content-Encoding", s.coding)
	}
	response, err := client.Do(request)
	switch {
	case ctx.Err() != nil:
		return "unfinished"
	case err != nil:
		return "broken"
	}
	_, _ = io.Copy(io.Discard, response.Body) // only its status counts
	_ = response.Body.Close()
	return fmt.Sprint(response.StatusCode)
}
