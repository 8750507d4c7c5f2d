package services_test

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/quota"
	"github.com/theeye-dev/theeye/services/internal/stream"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

const (
	// allAtOnce is what an application of these tests may send; at one a second next to nothing flows in while they last.
	allAtOnce = 4000
	// leased is what one replica may let through ahead of telling Redis: an eighth.
	leased = allAtOnce / 8
)

// doors are two replicas of ingest.
type doors struct {
	*system
	replicas [2]*testenv.Process
	redis    redis.UniversalClient
}

// TestRatesHoldAcrossReplicas: a client that sticks to one of two replicas may send all that its application may; clients
// of both that and a lease for each at most. While Redis does not carry the script out, each goes on by its share.
func TestRatesHoldAcrossReplicas(t *testing.T) {
	s := newSystem(t, "")
	other := testenv.Start(t, testenv.Options{Name: "ingest", Env: []string{"THEEYE_REDIS_URL=" + s.redis.URL()}})
	client, err := stream.Open(s.redis.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	d := &doors{s, [2]*testenv.Process{s.ingest, other}, client}
	t.Run("one client of one replica", d.sticky)
	t.Run("clients of both", d.spread)
	t.Run("without Redis", d.alone)
}

func (d *doors) sticky(t *testing.T) {
	a, begin := d.limit(t, "sticky"), time.Now()
	most := func() int { return allAtOnce + 1 + int(time.Since(begin)/time.Second) }
	if got := d.send(t, a, 1, 100); got < allAtOnce || got > most() {
		t.Errorf("%d events were let through, of %d", got, allAtOnce)
	}
	d.awaitCharged(t, a, allAtOnce)
	if got := d.send(t, a, 0, 100); got != 0 { // nothing is left there, either: it asks for more than its lease, or is told
		t.Logf("the other replica let %d more through", got)
		if got > leased {
			t.Errorf("which is more than a lease")
		}
	}
}

func (d *doors) spread(t *testing.T) {
	a, begin := d.limit(t, "spread"), time.Now()
	var both sync.WaitGroup
	var taken [2]int
	for i := range d.replicas {
		both.Go(func() { taken[i] = d.send(t, a, i, 20) })
	}
	both.Wait()
	got, most := taken[0]+taken[1], allAtOnce+2*leased+1+int(time.Since(begin)/time.Second)
	if got < allAtOnce || got > most {
		t.Errorf("%v events were let through, want %d to %d", taken, allAtOnce, most)
	}
	t.Logf("%v events were let through of %d", taken, allAtOnce)
	d.awaitCharged(t, a, got)
}

func (d *doors) alone(t *testing.T) {
	a := d.limit(t, "alone")
	for n := range 10 { // this client is known to stick to the first
		if status, body := d.postTo(0, a, 100); status != http.StatusAccepted {
			t.Fatalf("answered %d %s", status, body)
		}
		d.awaitCharged(t, a, 100*n+100)
	}
	d.scripts(t, "-")
	if got := d.send(t, a, 0, 100); got < allAtOnce-1000-leased || got > allAtOnce {
		t.Errorf("the replica that it sticks to let %d through", got)
	}
	if got := d.send(t, a, 1, 100); got < leased || got > 2*leased+100 {
		t.Errorf("the other let %d through", got)
	}
	d.awaitLogged(t, "limits are kept by this replica alone")
	d.scripts(t, "+")
	d.awaitLogged(t, "limits are kept together again")
	d.awaitCharged(t, a, allAtOnce-leased)
}

// limit makes an application with a limit that both replicas know.
func (d *doors) limit(t *testing.T, name string) application {
	t.Helper()
	a := d.enrol(name, registry.Policy{Limits: &registry.Limits{EventsPerSecond: 1, Burst: allAtOnce}})
	for _, replica := range d.replicas {
		eventually(t, func() error { return d.knows(t, replica, a) })
	}
	return a
}

// knows tells whether a replica knows an application, by a request that counts nothing: its body is not read.
func (d *doors) knows(t *testing.T, replica *testenv.Process, a application) error {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, replica.URL+"/v1/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+a.key)
	request.Header.Set("Content-Type", "text/csv")
	return d.answers(request, http.StatusUnsupportedMediaType, "request.media_type")
}

func (d *doors) postTo(replica int, a application, n int) (status int, body []byte) {
	return d.do(http.MethodPost, d.replicas[replica].URL+"/v1/events", "Bearer "+a.key, []byte(times(sound, n)))
}

// send posts n events at a time to one replica until it is answered 429, and returns how many were let through.
func (d *doors) send(t *testing.T, a application, replica, n int) (taken int) {
	t.Helper()
	for {
		status, body := d.postTo(replica, a, n)
		switch {
		case status == http.StatusAccepted:
			taken += n
		case status == http.StatusTooManyRequests && problem(body) == "rate.exceeded":
			return taken
		default:
			t.Errorf("answered %d %s", status, body)
			return taken
		}
	}
}

// awaitCharged waits until Redis has been told of so many events.
func (d *doors) awaitCharged(t *testing.T, a application, n int) {
	t.Helper()
	eventually(t, func() error {
		if total, err := d.redis.HGet(t.Context(), quota.KeyPrefix+"{"+a.uid.String()+"}", "total").Int(); err != nil || total < n {
			return fmt.Errorf("charged are %d of %d: %w", total, n, err)
		}
		return nil
	})
}

// scripts lets Redis carry scripts out or not, and everything else in any case.
func (d *doors) scripts(t *testing.T, sign string) {
	t.Helper()
	if err := d.redis.Do(t.Context(), "ACL", "SETUSER", "default", sign+"eval", sign+"evalsha").Err(); err != nil {
		t.Fatal(err)
	}
}

func (d *doors) awaitLogged(t *testing.T, message string) {
	t.Helper()
	for _, replica := range d.replicas {
		eventually(t, func() error {
			if text, err := os.ReadFile(replica.Log); err != nil || !strings.Contains(string(text), message) {
				return fmt.Errorf("%q is not logged: %w", message, err)
			}
			return nil
		})
	}
}
