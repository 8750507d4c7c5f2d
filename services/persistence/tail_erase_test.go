package persistence

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	metricnoop "go.opentelemetry.io/otel/metric/noop"

	"github.com/theeye-dev/theeye/api/event"
)

// silencer returns an eraser that has a tail forget, and runs until the test ends.
func (a *audience) silencer() *Eraser {
	a.Helper()
	e := a.eraser(a.store)
	e.Silence(a.tail)
	ctx, cancel := context.WithCancel(context.WithoutCancel(a.Context()))
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	a.Cleanup(func() {
		cancel()
		a.must(<-ended)
	})
	return e
}

// erased carries an erasure out, to its end.
func (a *audience) erased(e *Eraser, t target) {
	a.Helper()
	for {
		switch progress, err := e.erase(a.Context(), t); {
		case err != nil:
			a.Fatal(err)
		case progress.State == EraseEnded:
			return
		}
	}
}

// remembered are all messages that a tail has in memory.
func remembered(t *Tail) (found []message) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.messages)
}

// inRedis is what Redis has of the tail, also of what it only marks as deleted.
func (a *audience) inRedis() string {
	a.Helper()
	a.must(a.redis.ConfigSet(a.Context(), "rdbcompression", "no").Err())
	dump, err := a.redis.Dump(a.Context(), TailKey).Result()
	a.must(err)
	return dump
}

// mustNotMention fails where a word stands in Redis or in a replica's memory.
func (a *audience) mustNotMention(word string, tails ...*Tail) {
	a.Helper()
	if strings.Contains(a.inRedis(), word) {
		a.Errorf("redis has %q", word)
	}
	for _, tail := range tails {
		for _, m := range remembered(tail) {
			if bytes.Contains(m.told, []byte(word)) || m.SessionID == word {
				a.Errorf("a replica remembers %q: %s", word, m.told)
			}
		}
	}
}

// from listens from a place on, and returns what comes before an event of this id, with places.
func (a *audience) from(base, place, end string) (told []string) {
	a.Helper()
	ctx, cancel := context.WithCancel(a.Context())
	defer cancel()
	response := a.open(ctx, base, adminToken, "", place) //nolint:bodyclose // its cleanup does
	parse(response.Body, func(e received) {
		var one Told
		if ctx.Err() != nil {
			return
		}
		a.must(json.Unmarshal([]byte(e.data), &one))
		switch {
		case one.Event != nil && one.Event.ID == end:
			cancel()
		case one.Event != nil:
			told = append(told, e.id+" "+one.Event.ID)
		case one.Failure != nil:
			told = append(told, e.id+" "+string(one.Outcome))
		default:
			told = append(told, e.kind+" "+e.data)
		}
	})
	return told
}

// TestErasedIsNotToldAnyMore by any replica, to who comes back with an id from before, nor is it in memory or in Redis; and
// all else is told as before, under its own ids.
func TestErasedIsNotToldAnyMore(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		target target
		gone   []string
		kept   []int // of what was told
	}{
		"a session":      {target{session: "secret-session"}, []string{"secret-session", "secret-a", "secret-c", "secret-data"}, []int{0, 2, 5, 6}},
		"an application": {target{application: shop}, []string{"secret-a", "secret-data", "plain-b", "beside"}, []int{2, 3, 6}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAudience(t)
			e, other := a.silencer(), a.another()
			const data = `"data":{"x":"secret-data"}`
			a.insert(a.request(shop, item("secret-a", "secret-session", data), item("plain-b", "beside", "")),
				a.request(blog, item("secret-c", "secret-session", "")),
				a.request(shop, refused(`{"session_id":"secret-session","x":"secret-data"}`, "field.missing")),
				a.request(blog, item("plain-d", "t", "")))
			a.insert(a.request(shop, item("plain-e", "beside", "")), a.request(blog, item("plain-f", "t", "")))
			a.mark(blog, "before")
			all := a.from(a.url, a.sealed(place{}), "before")[1:]
			if len(all) != 7 || !strings.HasSuffix(all[1], "secret-a") || !strings.HasSuffix(all[4], "refused") {
				t.Fatalf("told before: %q", all)
			}

			a.erased(e, c.target)

			a.later()
			a.mark(blog, "after")
			third := a.another() // knows of it from the tail alone
			for _, gone := range c.gone {
				a.mustNotMention(gone, a.tail, third.tail)
			}
			var kept []string
			for _, n := range c.kept {
				kept = append(kept, all[n])
			}
			for what, url := range map[string]string{"the one that erased": a.url, "another": other.url, "one that starts": third.url} {
				a.same(what, kept, a.from(url, a.sealed(place{}), "before")[1:])
				next := slices.Index(kept, all[2])
				at, _, _ := strings.Cut(all[1], " ")
				a.same(what+", from an erased message on", kept[next:], a.from(url, at, "before"))
				at, _, _ = strings.Cut(all[2], " ")
				a.same(what+", from one that is kept", kept[next+1:], a.from(url, at, "before"))
			}
			for _, gone := range c.gone {
				a.mustNotMention(gone, other.tail)
			}
			if n := a.redis.Exists(t.Context(), TailKey+":copy", TailKey+":owner").Val(); n != 0 {
				t.Errorf("%d keys are left", n)
			}
		})
	}
}

// TestErasedOnItsWayIsNotTold: what was stored before its session was erased, and is announced after that.
func TestErasedOnItsWayIsNotTold(t *testing.T) {
	t.Parallel()
	a := newAudience(t)
	e, other := a.silencer(), a.another()
	a.mark(shop, "before")
	late := a.replica("late")
	announcer, err := NewAnnouncer(a.redis, "late", time.Now, slog.New(slog.DiscardHandler), metricnoop.Meter{})
	a.must(err)
	var held []*record
	late.Announce = func(_ context.Context, done []*record) { held = done }
	_, err = late.Insert(t.Context(), records(a.entry(a.request(shop, item("secret-a", "secret-session", ""), item("b", "t", "")))))
	a.must(err)
	live := []*listener{a.stream(a.url, adminToken, "", ""), a.stream(other.url, adminToken, "", "")}

	a.erased(e, target{session: "secret-session"})
	announcer.Announce(t.Context(), held)
	a.later()
	again := a.request(shop, item("again", "secret-session", "")) // what is sent afterwards is another matter
	a.insert(again)
	a.mark(shop, "after")

	for n, s := range live {
		a.same(fmt.Sprint("told by ", n), []string{"stored b", "stored again", "stored after"}, s.told(3))
	}
	deadline := time.After(time.Minute)
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for strings.Contains(a.inRedis(), "secret-a") {
		select {
		case <-poll.C:
		case <-deadline:
			t.Fatal("it stays in redis")
		}
	}
	a.mustNotMention("secret-a", a.tail, other.tail, a.another().tail)
}

// TestEraseWhileItIsToldAndWritten: two replicas store a session and others, which two replicas tell; in between the session is
// erased, several times. Nothing of it that was received before is left anywhere, and nothing else is missed.
func TestEraseWhileItIsToldAndWritten(t *testing.T) {
	t.Parallel()
	a := newAudience(t)
	e, other := a.silencer(), a.another()
	second := a.replica("second")
	a.announce(second, "second")
	listeners := []*listener{a.stream(a.url, adminToken, "session_id=beside", ""), a.stream(other.url, adminToken, "session_id=beside", "")}
	ctx, stop := context.WithCancel(t.Context())
	var writing sync.WaitGroup
	stored := make([]int, 2)
	for i, store := range []*Postgres{a.store, second} {
		sequencer := event.NewSequencer(time.Now)
		f := &fixture{TB: t, sequencer: sequencer}
		writing.Go(func() {
			for ctx.Err() == nil {
				id := fmt.Sprint(i, ".", stored[i])
				batch := records(f.entry(f.request(shop, item("erased "+id, "erased", `"data":{"x":"`+strings.Repeat("x", 2000)+`"}`), item("kept "+id, "beside", ""))))
				if _, err := store.Insert(t.Context(), batch); err != nil {
					t.Error(err)
					return
				}
				stored[i]++
			}
		})
	}
	var asked time.Time
	for range 4 {
		asked = time.Now()
		a.erased(e, target{session: "erased"})
	}
	stop()
	writing.Wait()
	a.mark(shop, "last")
	for n, s := range listeners {
		came := map[string]int{}
		for range stored[0] + stored[1] {
			for _, line := range s.told(1) {
				came[line]++
			}
		}
		if len(came) != stored[0]+stored[1] {
			t.Errorf("%d is told %d of %d", n, len(came), stored[0]+stored[1])
		}
		for line := range came {
			if !strings.HasPrefix(line, "stored kept") {
				t.Errorf("%d is told %q", n, line)
			}
		}
	}
	third := a.another()
	cutOff := cutOffAt(asked)
	for name, tail := range map[string]*Tail{"the one that erased": a.tail, "another": other.tail, "one that starts": third.tail} {
		a.awaitTail(tail, "the last was read", func() bool {
			n := len(tail.messages)
			return n > 0 && tail.messages[n-1].SessionID == "mark"
		})
		lost := 0
		for _, m := range remembered(tail) {
			if m.lost > 0 {
				lost++
			}
			if m.SessionID != "erased" {
				continue
			}
			var one Told
			a.must(json.Unmarshal(m.told, &one))
			if bytes.Compare(one.Event.Sequence[:], cutOff[:]) <= 0 {
				t.Errorf("%s remembers %s", name, one.Event.ID)
			}
		}
		if lost > 0 {
			t.Errorf("%s has lost messages %d times", name, lost)
		}
	}
	var places []place
	for _, m := range remembered(third.tail) {
		places = append(places, m.place)
	}
	if !slices.IsSortedFunc(places, func(a, b place) int {
		if a.before(b) {
			return -1
		}
		return 1
	}) {
		t.Error("what is told is out of its order")
	}
	a.erased(e, target{session: "erased"})
	if strings.Contains(a.inRedis(), "erased 0") {
		t.Error("it is in redis at the end")
	}
}

// TestErasureOfALargeTail is copied in pieces, and keeps what is beside.
func TestErasureOfALargeTail(t *testing.T) {
	t.Parallel()
	a := newAudience(t)
	const batches, each = 60, 50
	for n := range batches {
		items := make([]event.Item, each)
		for i := range items {
			items[i] = item(fmt.Sprint(n, ".", i), []string{"erased", "beside"}[i%2], `"data":{"x":"`+strings.Repeat("x", 300)+`"}`)
		}
		a.insert(a.request(shop, items...))
	}
	a.awaitTail(a.tail, "all was read", func() bool { return len(a.tail.messages) == batches*each })
	before := remembered(a.tail)
	for n := range 2000 { // small ones, more than one piece has
		must := a.announcer.append(t.Context(), []tailEntry{{before: int64(batches*each + n), lines: fmt.Appendf(nil, `{"a":%q,"s":"erased","o":"stored"}`+"\t"+`{"event":{"sequence":%q}}`+"\n", shop, uuid.Nil)}})
		a.must(must)
	}
	a.erased(a.silencer(), target{session: "erased"})
	third := a.another()
	after := remembered(third.tail)
	if len(after) != batches*each+2000 {
		t.Fatalf("%d places are left of %d", len(after), batches*each+2000)
	}
	for i, m := range after {
		erased := i >= len(before) || before[i].SessionID == "erased"
		if (m.told == nil) != erased || i < len(before) && m.place != before[i].place || m.lost > 0 {
			t.Fatalf("%d: at %s is %s, where there was %s", i, m.place, m.told, before[i].told)
		}
	}
}

// TestErasureWaitsForTheTail, and for another replica that copies it, and ends when these are there again.
func TestErasureWaitsForTheTail(t *testing.T) {
	t.Parallel()
	a := newAudience(t)
	a.insert(a.request(shop, item("secret-a", "s", "")))
	_, err := a.store.requestErasure(t.Context(), target{session: "s"}, time.Now())
	a.must(err)
	e := a.eraser(a.store)
	unreachable := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1})
	t.Cleanup(func() { _ = unreachable.Close() })
	e.Silence(&Tail{client: unreachable, now: time.Now, log: slog.New(slog.DiscardHandler)})
	ended := func() bool {
		progress, err := e.OfSession(t.Context(), "s")
		a.must(err)
		return progress.State == EraseEnded
	}
	if _, err := e.round(t.Context()); err == nil || ended() {
		t.Errorf("without Redis: %v, ended %t", err, ended())
	}
	if n := a.count("SELECT count(*) FROM persistence.events"); n != 0 {
		t.Errorf("%d events are left", n) // these need not wait
	}
	e.Silence(a.tail)
	a.must(a.redis.Set(t.Context(), TailKey+":owner", "another", 0).Err())
	if left, err := e.round(t.Context()); !left || err != nil || ended() {
		t.Errorf("while another one copies: %t, %v, ended %t", left, err, ended())
	}
	a.must(a.redis.Del(t.Context(), TailKey+":owner").Err())
	if _, err := e.round(t.Context()); err != nil || !ended() {
		t.Errorf("afterwards: %v, ended %t", err, ended())
	}
	a.mustNotMention("secret-a", a.tail)
}

// as is a client of the fixture's Redis with rights of its own.
func (a *audience) as(user string, rules ...string) redis.UniversalClient {
	a.Helper()
	words := []any{"ACL", "SETUSER", user, "on", "nopass"}
	for _, rule := range rules {
		words = append(words, rule)
	}
	a.must(a.redis.Do(a.Context(), words...).Err())
	options := a.redis.(*redis.Client).Options() //nolint:forcetypeassert // Open's
	client := redis.NewClient(&redis.Options{Addr: options.Addr, Username: user, Password: "x", MaxRetries: -1})
	a.Cleanup(func() { _ = client.Close() })
	return client
}

// TestErasureWithTheChartsRights needs no other.
func TestErasureWithTheChartsRights(t *testing.T) {
	t.Parallel()
	a := newAudience(t)
	file, err := os.ReadFile("../../charts/theeye/files/redis/users.acl")
	a.must(err)
	rules := regexp.MustCompile(`(?m)^user persistence on (.*)$`).FindSubmatch(file)
	if rules == nil {
		t.Fatal("the chart has no such user")
	}
	client := a.as("persistence", regexp.MustCompile(`\([^)]*\)|\S+`).FindAllString(string(rules[1]), -1)...)
	a.insert(a.request(shop, item("secret-a", "s", ""), item("b", "t", "")))
	tail := a.newTail()
	tail.client = client
	e := a.eraser(a.store)
	e.Silence(tail)
	_, err = a.store.requestErasure(t.Context(), target{session: "s"}, time.Now())
	a.must(err)
	_, err = e.round(t.Context())
	a.must(err)
	a.mustNotMention("secret-a")
	if !strings.Contains(a.inRedis(), `"id":"b"`) {
		t.Error("the other message is gone")
	}
}

// TestErasureWithoutRights that the release before had no need for cuts the tail, and says so.
func TestErasureWithoutRights(t *testing.T) {
	t.Parallel()
	a := newAudience(t)
	limited := a.as("before", "-@all", "+@connection", "(+xadd +xread +xtrim ~"+TailKey+")")
	a.insert(a.request(shop, item("secret-a", "secret-session", ""), item("b", "t", "")))
	a.awaitTail(a.tail, "it was read", func() bool { return len(a.tail.messages) == 2 })
	place := remembered(a.tail)[1].place
	tail := a.newTail()
	var said bytes.Buffer
	tail.client, tail.log = limited, slog.New(slog.NewTextHandler(io.Writer(&said), nil))
	e := a.eraser(a.store)
	e.Silence(tail)
	_, err := a.store.requestErasure(t.Context(), target{session: "secret-session"}, time.Now())
	a.must(err)
	_, err = e.round(t.Context())
	a.must(err)
	a.mustNotMention("secret-a", a.tail)
	if !strings.Contains(said.String(), "may not erase a part") || strings.Contains(said.String(), "secret") {
		t.Errorf("logged: %s", said.String())
	}
	third := a.another()
	got, err := third.tail.listen(t.Context(), &place)
	a.must(err)
	if !got.unknown {
		t.Error("who comes back is not told that something may be missing")
	}
}

// TestUnsaid covers what was received up to a cut-off, and forgets it in time.
func TestUnsaid(t *testing.T) {
	t.Parallel()
	now := time.Now()
	sequenced := func(at time.Time) message {
		told := fmt.Appendf(nil, `{"outcome":"stored","event":{"sequence":%q}}`, cutOffAt(at))
		return message{traits: traits{Application: shop, SessionID: "s"}, told: told}
	}
	old, recent := sequenced(now.Add(-time.Minute)), sequenced(now.Add(time.Minute))
	u := newUnsaid()
	for _, e := range []erased{
		{member: erasedApplication + shop.String(), cutOff: cutOffAt(now), at: now},
		{member: erasedApplication + shop.String(), cutOff: cutOffAt(now.Add(-time.Hour)), at: now}, // an older one takes nothing back
		{member: notedSession(saltedHash("salt", "other"), uuid.Nil).member, salt: "salt", cutOff: cutOffAt(now), at: now},
	} {
		u.add(e)
	}
	if !u.covers(&old) || u.covers(&recent) {
		t.Errorf("covers what came before: %t, and what comes after: %t", u.covers(&old), u.covers(&recent))
	}
	old.Application, old.SessionID = blog, "other"
	if !u.covers(&old) {
		t.Error("a session is not covered")
	}
	old.SessionID = "s"
	if u.covers(&old) {
		t.Error("another session is covered")
	}
	u.forget(now)
	if u.none() {
		t.Error("forgotten too early")
	}
	u.forget(now.Add(1))
	if !u.none() || len(u.salts) != 0 {
		t.Errorf("left are %v, %v", u.erased, u.salts)
	}
	for _, values := range []map[string]any{{tailErased: "x"}, {tailErased: "x", tailCutOff: "y"}, {tailErased: "x", tailCutOff: uuid.Nil.String(), tailSalt: "?"}, {tailCutOff: uuid.Nil.String()}} {
		if e, ok := erasedOf(redis.XMessage{Values: values}, now); ok {
			t.Errorf("%v is read as %v", values, e)
		}
	}
}

// BenchmarkTailErase takes one message of a full tail off it, while Redis answers others: how long these wait is measured too.
func BenchmarkTailErase(b *testing.B) {
	a := newAudience(b)
	line, err := (&tailed{traits: traits{Application: shop, SessionID: "s", Outcome: Stored}, told: fmt.Appendf(nil, `{"event":{"sequence":%q,"data":%q}}`, cutOffAt(time.Now()), strings.Repeat("x", 600))}).line()
	a.must(err)
	lines := bytes.Repeat(append(line, '\n'), 4)
	for n := range tailBytes / len(lines) {
		a.must(a.announcer.append(b.Context(), []tailEntry{{before: int64(n), lines: lines}}))
	}
	ctx, cancel := context.WithCancel(b.Context())
	var longest time.Duration
	var pinging sync.WaitGroup
	pinging.Go(func() {
		for ctx.Err() == nil {
			begin := time.Now()
			if err := a.redis.Ping(ctx).Err(); err != nil && !errors.Is(err, context.Canceled) {
				b.Error(err)
			}
			longest = max(longest, time.Since(begin))
		}
	})
	places := remembered(a.tail)
	n := 0
	for b.Loop() {
		n += 7
		a.must(a.tail.eraseAt(b.Context(), []place{places[n%len(places)].place}))
	}
	cancel()
	pinging.Wait()
	b.ReportMetric(float64(longest.Microseconds())/1000, "longest-wait-ms")
}
