package persistence

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/theeye-dev/theeye/services/internal/fault"
)

// TestLastEventID: whatever id a client comes back with, it is told what follows, and that it may have missed something
// wherever it is not known that it has not.
func TestLastEventID(t *testing.T) {
	t.Parallel()
	a := newAudience(t)
	a.insert(a.request(shop, item("a", "s", ""), item("b", "s", ""), item("c", "s", "")))
	a.mark(shop, "d")
	a.awaitTail(a.tail, "all was read", func() bool { return len(a.tail.messages) == 4 })
	behind := a.newTail() // has read nothing of it
	now := time.Now()
	behind.add(news{fresh: now, all: true})
	entries := a.redis.XRange(t.Context(), TailKey, "-", "+").Val()
	first, last := parsed(t, entries[0].ID+".0"), parsed(t, entries[1].ID+".0")
	line := func(p place, line int) place { p.line = line; return p }
	after := func(p place, ms uint64) place { p.ms += ms; return p }
	what := a.redis.XAdd(t.Context(), &redis.XAddArgs{Stream: TailKey, Values: []any{tailErased, "application/" + blog.String(), tailCutOff, "00000000-0000-0000-0000-000000000000"}}).Val()
	notice := parsed(t, what+".1")
	a.awaitTail(a.tail, "what was erased was read", func() bool { return a.tail.read.inSameEntry(notice) })
	all := []string{"a", "b", "c", "d"}
	for name, c := range map[string]struct {
		at     place
		missed bool
		told   []string // by the replica that has read all
		late   bool     // missed, by the replica that has read nothing
	}{
		"the first message":           {line(first, 1), false, all[1:], false},
		"the last of an entry":        {line(first, 3), false, all[3:], false},
		"the last of all":             {line(last, 1), false, nil, false},
		"before an entry":             {line(first, 0), false, all, false},
		"a line that never was":       {line(first, 4), true, all[3:], true},
		"a line of the last":          {line(last, 2), true, nil, true},
		"an entry that never was":     {line(first, 1).later(1), true, all[3:], true},
		"no entry, before all":        {place{ms: placeAt(now.Add(-10 * time.Minute)).ms, line: 1}, true, all, false},
		"what is no message":          {notice, true, nil, true},
		"before what is no message":   {line(notice, 0), true, nil, true},
		"beyond all":                  {after(line(last, 1), 1000), true, nil, true},
		"far beyond all":              {parsed(t, "99999999999999-0.0"), true, nil, true},
		"as far as can be":            {parsed(t, "18446744073709551615-18446744073709551615.1"), true, nil, true},
		"a heartbeat":                 {placeAt(now.Add(-seenFor)), false, all, false},
		"a beginning, at once":        {heardBy(now), false, all, false},
		"a heartbeat too early":       {placeAt(now.Add(-seenFor / 4)), true, all, true},
		"a heartbeat of the future":   {placeAt(now.Add(time.Hour)), true, nil, true},
		"before anything that's kept": {placeAt(now.Add(-2 * tailAge)), true, all, true},
		"the beginning":               {parsed(t, "0-0.0"), true, all, true},
	} {
		got := a.listen(&c.at).take(&choice{})
		var told []string
		for _, m := range got.messages {
			told = append(told, eventOf(t, m.told))
		}
		if got.unknown != c.missed || !slices.Equal(told, c.told) {
			t.Errorf("%s (%s): missed %t, told %v; want %t, %v", name, c.at, got.unknown, told, c.missed, c.told)
		}
		e, err := behind.listen(t.Context(), &c.at)
		a.must(err)
		if e.unknown != c.late && name != "no entry, before all" {
			t.Errorf("%s (%s): missed %t where nothing was read yet, want %t", name, c.at, e.unknown, c.late)
		}
	}

	// What another replica was faster to tell is not told again, and what comes behind is.
	at := line(first, 2)
	e, err := behind.listen(t.Context(), &at)
	a.must(err)
	beyond := after(line(last, 1), 1000)
	never, err := behind.listen(t.Context(), &beyond)
	a.must(err)
	behind.add(behind.news(a.redis.XRange(t.Context(), TailKey, "-", "+").Val()))
	for _, c := range []struct {
		name string
		ear  *ear
		want []string
	}{{"a place that it reads later", e, all[2:]}, {"a place that never was", never, all}} {
		var told []string
		for _, m := range c.ear.take(&choice{}).messages {
			told = append(told, eventOf(t, m.told))
		}
		a.same(c.name, c.want, told)
	}

	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1})
	t.Cleanup(func() { _ = client.Close() })
	behind.client = client
	beyond = after(line(last, 1), 2000)
	if _, err := behind.listen(t.Context(), &beyond); fault.ProblemOf(err).Code != fault.CodeUnavailable {
		t.Errorf("a place that cannot be asked for: %v", err)
	}
}

// later is a place in a later entry of the same millisecond.
func (p place) later(n uint64) place {
	p.n += n
	return p
}

// TestOpening: what a stream began with says from where on nothing is missing.
func TestOpening(t *testing.T) {
	t.Parallel()
	now := time.Now()
	hour, recent := placeAt(now.Add(seenFor-tailAge)), placeAt(now.Add(-time.Minute))
	few, many, cut := opening{first: recent, entries: 1}, opening{first: recent, entries: fewEntries}, opening{first: recent, entries: 1, cut: recent}
	for name, c := range map[string]struct {
		o    opening
		want place
	}{"none": {opening{}, hour}, "few": {few, hour}, "many": {many, recent}, "cut": {cut, recent}} {
		if got := c.o.gone(now); got != c.want {
			t.Errorf("%s: gone up to %s, want %s", name, got, c.want)
		}
	}
}

// TestStaleTail: a replica that cannot follow may not have heard what was erased, and hears nothing new: nobody comes to it, or back.
func TestStaleTail(t *testing.T) {
	t.Parallel()
	a := newAudience(t)
	now := time.Now()
	r := &Reader{Tail: a.newTail(), Now: func() time.Time { return now }}
	r.Tail.add(news{fresh: now, all: true})
	at := placeAt(now.Add(-seenFor))
	for _, c := range []struct {
		name  string
		after *place
		ago   time.Duration
		ok    bool
	}{
		{"fresh", &at, staleTail, true},
		{"fresh, and new", nil, staleTail, true},
		{"stale", &at, staleTail + 1, false},
		{"stale, and new", nil, staleTail + 1, false},
	} {
		now = r.Tail.followed().Add(c.ago)
		l, err := r.listen(t.Context(), &listening{resumed: resumed{after: c.after}})
		if (err == nil) != c.ok || err != nil && fault.ProblemOf(err).Code != fault.CodeUnavailable {
			t.Errorf("%s: %v", c.name, err)
		}
		if err == nil {
			l.leave()
		}
	}
	if n := r.Tail.listeners.total(); n != 0 {
		t.Errorf("%d listeners are left", n)
	}
}

// eventOf is the id of the event that is told.
func eventOf(t *testing.T, told []byte) string {
	t.Helper()
	var one Told
	if err := json.Unmarshal(told, &one); err != nil || one.Event == nil {
		t.Fatalf("told %s: %v", told, err)
	}
	return one.Event.ID
}
