package ops

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/oklog/run"

	"github.com/theeye-dev/theeye/services/internal/testenv"
)

func noFault(context.Context) error { return nil }

// long is a delay that no test waits for.
const long = 10 * patience

// draining is a process that a signal stops.
type draining struct {
	*Ports
	signals chan os.Signal
	ended   chan error
}

func startDrain(ctx context.Context, ports *Ports) *draining {
	d := &draining{ports, make(chan os.Signal, 1), make(chan error, 1)}
	go func() { d.ended <- d.drain(ctx, d.signals) }()
	return d
}

// TestClientsMoveWhileAReplicaDrains is a rolling restart as a load balancer sees it: clients that keep their connections
// send without a pause, new connections go to whoever is ready, and no request fails. Over HTTP/1.1 and over HTTP/2.
func TestClientsMoveWhileAReplicaDrains(t *testing.T) {
	t.Parallel()
	ca := testenv.NewAuthority(t)
	identity := ca.Issue(t)
	for name, serving := range map[string]Serving{
		"HTTP/1.1": {DrainDelay: long},
		"HTTP/2.0": {DrainDelay: long, CertFile: identity.CertFile, KeyFile: identity.KeyFile},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			old, successor := bind(t, serving), bind(t, serving)
			d := startDrain(t.Context(), old)
			var senders []*sender
			for range 8 {
				senders = append(senders, newSender(t, ca, name, old, successor))
			}
			all := func(what string, so func(*sender) bool) {
				await(t, what, func() bool { return !slices.ContainsFunc(senders, func(s *sender) bool { return !so(s) }) })
			}
			all("a request of each", func(s *sender) bool { return s.sent.Load() > 10 })
			d.signals <- syscall.SIGTERM
			all("a connection of each to the successor", func(s *sender) bool { return s.moved.Load() })
			d.signals <- syscall.SIGTERM // all that the rest of the delay is for has happened
			var stopped *run.SignalError
			if err := receive(t, "the end of the drain", d.ended); !errors.As(err, &stopped) {
				t.Errorf("ended with %v", err)
			}
			old.Public.Stop(nil)
			for _, s := range senders {
				s.left.Store(10)
			}
			for _, s := range senders {
				if err := receive(t, "the last request", s.done); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// sender posts one request after the other over one connection.
type sender struct {
	moved atomic.Bool
	sent  atomic.Int64
	left  atomic.Int64 // requests; it begins with very many
	done  chan error
}

func newSender(t *testing.T, ca *testenv.Authority, proto string, old, successor *Ports) *sender {
	t.Helper()
	s := &sender{done: make(chan error, 1)}
	s.left.Store(1 << 40)
	client := ca.Client(t)
	url := "http://service/"
	if proto == "HTTP/2.0" {
		url = "https://localhost/"
	}
	transport := client.Transport.(*http.Transport) //nolint:forcetypeassert // it is one
	transport.MaxConnsPerHost = 1
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		ready := old
		if old.probe(ctx) != nil {
			ready = successor
			s.moved.Store(true)
		}
		return new(net.Dialer).DialContext(ctx, network, ready.Public.Addr())
	}
	go func() { s.done <- s.send(client, url, proto) }()
	t.Cleanup(func() { s.left.Store(0) })
	return s
}

func (s *sender) send(client *http.Client, url, proto string) error {
	for ; s.left.Load() > 0; s.left.Add(-1) {
		// Without GetBody nothing can be repeated behind our back.
		request, err := http.NewRequest(http.MethodPost, url, strings.NewReader("an event"))
		if err != nil {
			return err
		}
		request.GetBody = nil
		response, err := client.Do(request)
		if err != nil {
			return err
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusOK || response.Proto != proto {
			return errors.New(response.Proto + " " + response.Status)
		}
		s.sent.Add(1)
	}
	return nil
}

// TestDrain tells on both ports, goes on serving, and lasts as long as it should.
func TestDrain(t *testing.T) {
	t.Parallel()
	ports := bind(t, Serving{DrainDelay: long})
	d := startDrain(t.Context(), ports)
	check := func(status int, failing ...string) {
		t.Helper()
		for _, s := range []*Server{ports.Public, ports.Operations} {
			if got := get(t, http.DefaultClient, "http://"+s.Addr()+"/readyz"); got.status != status {
				t.Errorf("/readyz of %s answers %d, want %d", s.Addr(), got.status, status)
			}
		}
		if got := failures(t, ports); !slices.Equal(got, failing) {
			t.Errorf("%v fail, want %v", got, failing)
		}
	}
	check(http.StatusOK)
	if get(t, http.DefaultClient, "http://"+ports.Public.Addr()+"/").closes {
		t.Error("an answer closes its connection without need")
	}
	d.signals <- syscall.SIGTERM
	await(t, "the drain", func() bool { return ports.draining.Load() })
	check(http.StatusServiceUnavailable, "draining")
	if got := get(t, http.DefaultClient, "http://"+ports.Public.Addr()+"/"); got.status != http.StatusOK || !got.closes {
		t.Errorf("a request is answered %+v", got)
	}
	select {
	case err := <-d.ended:
		t.Fatalf("ended by itself: %v", err)
	default:
	}
	d.signals <- os.Interrupt
	var stopped *run.SignalError
	if err := receive(t, "the end", d.ended); !errors.As(err, &stopped) || stopped.Signal != syscall.SIGTERM {
		t.Errorf("ended with %v", err)
	}
}

// failures are the names of all checks that fail. What is not draining does not speak of it.
func failures(t *testing.T, ports *Ports) (names []string) {
	t.Helper()
	response, err := http.Get("http://" + ports.Operations.Addr() + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // only read
	var a answer
	if err := json.NewDecoder(response.Body).Decode(&a); err != nil {
		t.Fatal(err)
	}
	for _, c := range a.Checks {
		if !c.OK {
			names = append(names, c.Name)
		} else if c.Name == "draining" {
			t.Error("draining is shown as well")
		}
	}
	return names
}

func TestDrainEnds(t *testing.T) {
	t.Parallel()
	ended := func(delay time.Duration, end func(*draining, context.CancelFunc)) (took time.Duration, err error) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		d := startDrain(ctx, bind(t, Serving{DrainDelay: delay}))
		begin := time.Now()
		end(d, cancel)
		err = receive(t, "the end of the drain", d.ended)
		return time.Since(begin), err
	}
	signal := func(d *draining, _ context.CancelFunc) { d.signals <- syscall.SIGTERM }
	var stopped *run.SignalError
	if _, err := ended(0, signal); !errors.As(err, &stopped) {
		t.Errorf("without a delay: %v", err)
	}
	const delay = 50 * time.Millisecond
	if took, err := ended(delay, signal); !errors.As(err, &stopped) || took < delay {
		t.Errorf("with a delay of %s: %v after %s", delay, err, took)
	}
	if _, err := ended(long, func(_ *draining, cancel context.CancelFunc) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Errorf("when another actor fails before a signal: %v", err)
	}
	if _, err := ended(long, func(d *draining, cancel context.CancelFunc) {
		signal(d, cancel)
		await(t, "the drain", func() bool { return d.draining.Load() })
		cancel()
	}); !errors.As(err, &stopped) {
		t.Errorf("when another actor fails in the drain: %v", err)
	}
}
