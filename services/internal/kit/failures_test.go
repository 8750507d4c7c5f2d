package kit_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"pgregory.net/rapid"

	"github.com/theeye-dev/theeye/services/internal/atonce"
	"github.com/theeye-dev/theeye/services/internal/fault"
	"github.com/theeye-dev/theeye/services/internal/keyring"
	"github.com/theeye-dev/theeye/services/internal/kit"
)

// The limit as it is promised.
const (
	budget = 100
	every  = time.Second
)

// watchman asks for what is known of credentials through a limit, on a clock of the test's.
type watchman struct {
	testing.TB
	*kit.Failures
	now    atomic.Int64
	reader *sdkmetric.ManualReader
}

func newWatchman(t testing.TB) *watchman {
	t.Helper()
	w := &watchman{TB: t, reader: sdkmetric.NewManualReader()}
	address := func(r *http.Request) netip.Addr { return netip.MustParseAddr(r.RemoteAddr) }
	clock := func() time.Time { return time.Unix(0, w.now.Load()) }
	var err error
	if w.Failures, err = kit.NewFailures(address, clock, sdkmetric.NewMeterProvider(sdkmetric.WithReader(w.reader)).Meter("")); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *watchman) pass(d time.Duration) { w.now.Add(int64(d)) }

var errWrong = fault.New(fault.CodeUnauthenticated, "the key is unknown")

// show has an address show a credential of which is known at once, and after a closer look: nil, or what is wrong.
func (w *watchman) show(from string, known, looked error) (looks int, err error) {
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	r.RemoteAddr = from
	_, err = kit.Limited(w.Context(), w.Failures, r, func(ctx context.Context) (struct{}, error) {
		if atonce.Is(ctx) {
			return struct{}{}, known
		}
		looks++
		return struct{}{}, looked
	})
	return looks, err
}

// spend shows wrong credentials until a closer look is refused, and returns how many were looked at.
func (w *watchman) spend(from string) (n int) {
	w.Helper()
	for ; n <= 10*budget; n++ {
		if _, err := w.show(from, errWrong, errWrong); fault.ProblemOf(err).Status == http.StatusTooManyRequests {
			return n
		}
	}
	w.Fatalf("%d wrong credentials are all looked at", n)
	return n
}

// TestWrongCredentialsAreLimited by address, and what is no wrong credential is not.
func TestWrongCredentialsAreLimited(t *testing.T) {
	t.Parallel()
	const from = "192.0.2.7"
	w := newWatchman(t)
	if n := w.spend(from); n != budget {
		t.Errorf("%d wrong credentials are looked at, want %d", n, budget)
	}
	away, origin := fault.New(fault.CodeUnavailable, "away"), fault.New(fault.CodeOrigin, "foreign")
	_, missing := kit.Authenticate(t.Context(), readyRing(t), httptest.NewRequest(http.MethodPost, "/", nil))
	for name, c := range map[string]struct {
		from          string
		known, looked error
		looks         int
		want          error
	}{
		"known":                            {from, nil, errWrong, 0, nil},
		"no credential":                    {from, missing, missing, 0, missing},
		"the log cannot be followed":       {from, away, away, 0, away},
		"a foreign origin":                 {from, origin, origin, 0, origin},
		"a bug":                            {from, http.ErrBodyNotAllowed, nil, 0, http.ErrBodyNotAllowed},
		"another address":                  {"192.0.2.8", errWrong, errWrong, 1, errWrong},
		"confirmed a moment ago":           {"192.0.2.9", errWrong, nil, 1, nil},
		"not to be found out at this time": {"192.0.2.10", errWrong, away, 1, away},
	} {
		looks, err := w.show(c.from, c.known, c.looked)
		if looks != c.looks || !errors.Is(err, c.want) {
			t.Errorf("%s: %d looks, %v, want %d, %v", name, looks, err, c.looks, c.want)
		}
	}
	looks, err := w.show(from, errWrong, nil)
	problem := fault.ProblemOf(err)
	if looks != 0 || problem.Code != fault.CodeManyFailures || problem.RetryAfter != every || fault.KindOf(err) != fault.Unavailable {
		t.Errorf("%d looks, %+v", looks, problem)
	}
	if diff := cmp.Diff(map[string]int64{"refused": budget + 1, "limited": 2}, w.told()); diff != "" {
		t.Errorf("metric (-want +got):\n%s", diff)
	}
	w.pass(every / 4)
	if _, err = w.show(from, errWrong, nil); fault.ProblemOf(err).RetryAfter != every-every/4 {
		t.Errorf("%+v", fault.ProblemOf(err))
	}
}

// TestTheBudgetGrowsAgain by one a second, and to what it was and no further.
func TestTheBudgetGrowsAgain(t *testing.T) {
	t.Parallel()
	w := newWatchman(t)
	for _, step := range []struct {
		pass time.Duration
		want int
	}{{0, budget}, {0, 0}, {every - 1, 0}, {1, 1}, {0, 0}, {5*every + every/2, 5}, {every / 2, 1}, {1000 * time.Hour, budget}, {0, 0}} {
		w.pass(step.pass)
		if n := w.spend("192.0.2.7"); n != step.want {
			t.Errorf("after %s more %d are looked at, want %d", step.pass, n, step.want)
		}
	}
}

// TestFailuresAtOnce has many send wrong and right credentials from one address: as many are looked at as may be.
func TestFailuresAtOnce(t *testing.T) {
	t.Parallel()
	const senders, each = 16, 50
	w := newWatchman(t)
	var refused, limited, late atomic.Int64
	var all sync.WaitGroup
	for n := range senders {
		all.Go(func() {
			for i := range each {
				if _, err := w.show("192.0.2.7", nil, nil); err != nil {
					t.Errorf("a right credential: %v", err)
				}
				if n == 0 && i < budget/10 { // what was given back is there for another
					if _, err := w.show("192.0.2.7", errWrong, nil); err == nil {
						late.Add(1)
					}
				}
				switch _, err := w.show("192.0.2.7", errWrong, errWrong); fault.ProblemOf(err).Status {
				case http.StatusUnauthorized:
					refused.Add(1)
				case http.StatusTooManyRequests:
					limited.Add(1)
				}
			}
		})
	}
	all.Wait()
	// One that takes and gives back may have another see a budget that is spent: it comes again, and so does the test.
	refused.Add(int64(w.spend("192.0.2.7")))
	if refused.Load() != budget || refused.Load()+limited.Load() < senders*each {
		t.Errorf("%d refused, %d limited, %d late", refused.Load(), limited.Load(), late.Load())
	}
}

// TestBudgetIsATokenBucket holds the limit against the plain form of itself: what is owed shrinks as time passes.
func TestBudgetIsATokenBucket(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		w := newWatchman(t)
		var owed time.Duration
		rt.Repeat(map[string]func(*rapid.T){
			"time passes": func(rt *rapid.T) {
				d := time.Duration(rapid.OneOf(rapid.Int64Range(0, int64(3*every)), rapid.Int64Range(0, int64(2*budget*every))).Draw(rt, "d"))
				w.pass(d)
				owed = max(0, owed-d)
			},
			"wrong ones": func(rt *rapid.T) {
				for range rapid.IntRange(1, budget).Draw(rt, "n") {
					wait := owed + every - budget*every
					if wait <= 0 {
						wait, owed = 0, owed+every
					}
					if _, err := w.show("192.0.2.7", errWrong, errWrong); fault.ProblemOf(err).RetryAfter != wait {
						rt.Fatalf("%v, want a wait of %s", err, wait)
					}
				}
			},
			"a late one": func(rt *rapid.T) {
				if _, err := w.show("192.0.2.7", errWrong, nil); (err == nil) != (owed+every <= budget*every) {
					rt.Fatalf("%v while %s are owed", err, owed)
				}
			},
		})
	})
}

// TestNoLimit passes everything on, with its patience.
func TestNoLimit(t *testing.T) {
	t.Parallel()
	w := newWatchman(t)
	w.Failures = nil
	for range 2 * budget {
		if looks, err := w.show("192.0.2.7", nil, errWrong); looks != 1 || !errors.Is(err, errWrong) {
			t.Fatal(looks, err)
		}
	}
}

// TestGuard limits an authorizer's refusals. A request without a credential is none of them, and what the authorizer
// remembers passes.
func TestGuard(t *testing.T) {
	t.Parallel()
	w := newWatchman(t)
	who := w.Guard(authorizer(func(ctx context.Context, r *http.Request) error {
		if token, _ := kit.Bearer(r); token == "right" || token == "late" && !atonce.Is(ctx) {
			return nil
		}
		return errWrong
	}))
	ask := func(authorization string) int {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = "192.0.2.7"
		r.Header.Set("Authorization", authorization)
		if err := who.Authorize(t.Context(), r); err != nil {
			return fault.ProblemOf(err).Status
		}
		return http.StatusOK
	}
	for n := range 2 * budget {
		for authorization, want := range map[string]int{"": 401, "Bearer right": 200} {
			if got := ask(authorization); got != want {
				t.Fatalf("%q is answered %d", authorization, got)
			}
		}
		spent := n >= budget
		if got := ask("Bearer late"); spent != (got == 429) || !spent && got != 200 {
			t.Fatalf("late after %d is answered %d", n, got)
		}
		if got := ask("Bearer wrong"); spent != (got == 429) || !spent && got != 401 {
			t.Fatalf("wrong after %d is answered %d", n, got)
		}
	}
}

type authorizer func(context.Context, *http.Request) error

func (a authorizer) Authorize(ctx context.Context, r *http.Request) error { return a(ctx, r) }

func readyRing(t *testing.T) *keyring.Keyring {
	t.Helper()
	ring, _, _ := newKeyring(t)
	return ring
}

// told is the metric, by outcome.
func (w *watchman) told() map[string]int64 {
	w.Helper()
	var collected metricdata.ResourceMetrics
	if err := w.reader.Collect(context.Background(), &collected); err != nil {
		w.Fatal(err)
	}
	counts := map[string]int64{}
	for _, m := range collected.ScopeMetrics[0].Metrics {
		if m.Name != "theeye.authentication.failures" {
			w.Errorf("unknown metric %s", m.Name)
		}
		for _, p := range m.Data.(metricdata.Sum[int64]).DataPoints {
			outcome, _ := p.Attributes.Value(attribute.Key("outcome"))
			if p.Attributes.Len() != 1 || !strings.Contains("refused limited", outcome.AsString()) {
				w.Errorf("labels %v", p.Attributes.ToSlice())
			}
			counts[outcome.AsString()] = p.Value
		}
	}
	return counts
}
