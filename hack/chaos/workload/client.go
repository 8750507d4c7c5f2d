package workload

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/hack/chaos/history"
)

// client posts one request after the other, and remembers some of what it sent.
type client struct {
	*Workload
	random *rand.Rand
	number int
	made   int
	place  session

	acked, doubted []sent
}

// sent is a request that may be sent again.
type sent struct {
	app   *application
	items []history.Item
	key   string
}

// of makes a request of it; the same again may be written in another form.
func (c *client) of(s sent, reason history.Reason) request {
	return request{
		app: s.app, credential: s.app.anyLive(c.random), door: c.door(), reason: reason, items: s.items, key: s.key,
		lines: c.random.IntN(4) == 0, gzip: c.random.IntN(4) == 0,
	}
}

// remembered is how many requests a client can send again: of the newest, so that repetitions meet the first in flight.
const remembered = 50

// Shares of what a client does, of a hundred. The rest are new events, one alone.
const (
	shareBatch       = 15
	shareKeyed       = 5
	shareAfterAck    = 8
	shareAfterDoubt  = 12
	shareAtOnce      = 5
	shareConflicting = 4
	shareHostile     = 4
	shareForged      = 1
	shareRevoked     = 1
)

// think is about how long a client waits between requests: short enough for requests to meet, and long enough for two
// cores to run the rest.
const think = 20 * time.Millisecond

func (c *client) run(ctx context.Context) {
	for pause(ctx, time.Duration(c.random.Int64N(int64(2*think)))) {
		c.step()
	}
}

// step does one thing.
func (c *client) step() {
	dice := c.random.IntN(100)
	for _, choice := range []struct {
		share int
		do    func()
	}{
		{shareBatch, c.batch},
		{shareKeyed, c.keyed},
		{shareAfterAck, func() { c.again(c.acked, history.AfterAck) }},
		{shareAfterDoubt, func() { c.again(c.doubted, history.AfterDoubt) }},
		{shareAtOnce, c.atOnce},
		{shareConflicting, c.conflicting},
		{shareHostile, c.hostile},
		{shareForged, func() { c.single(c.app().forged, history.Forged) }},
		{shareRevoked, c.revoked},
		{100, func() { c.send(c.app(), history.New, c.event()) }},
	} {
		if dice -= choice.share; dice < 0 {
			choice.do()
			return
		}
	}
}

func (c *client) app() *application { return c.apps[c.random.IntN(len(c.apps))] }

func (c *client) door() Door { return c.options.Doors[c.random.IntN(len(c.options.Doors))] }

// send posts with a valid credential and remembers the request.
func (c *client) send(a *application, reason history.Reason, items ...history.Item) {
	s := sent{app: a, items: items}
	c.remember(c.Workload.send(c.of(s, reason)), s)
}

func (c *client) remember(o history.Outcome, s sent) {
	list := &c.acked
	switch {
	case o.Status == 0 || o.Status == http.StatusServiceUnavailable:
		list = &c.doubted
	case o.Status != http.StatusAccepted:
		return
	}
	*list = append(*list, s)
	if len(*list) > remembered {
		*list = (*list)[1:]
	}
}

// again sends something once more, exactly as it was.
func (c *client) again(from []sent, reason history.Reason) {
	if len(from) == 0 {
		c.send(c.app(), history.New, c.event())
		return
	}
	s := from[c.random.IntN(len(from))]
	c.remember(c.Workload.send(c.of(s, reason)), s)
}

// keyed sends events without ids, which get theirs from the request's Idempotency-Key.
func (c *client) keyed() {
	c.made++
	s := sent{app: c.app(), key: fmt.Sprintf("%d-%d-%d-key", c.options.Seed, c.number, c.made)}
	for i := range 1 + c.random.IntN(5) {
		session := fmt.Sprintf("keyed-%d-%d", c.options.Seed, c.number)
		id := uuid.NewSHA1(s.app.uid, []byte(s.key+"\x00"+strconv.Itoa(i))).String() // as ingest derives it: a contract over releases
		s.items = append(s.items, history.NewItem(id, c.encode("", session, "", c.data()), true))
	}
	c.remember(c.Workload.send(c.of(s, history.New)), s)
}

// batch sends several events, of one session or several; now and then one that is no event, or an id twice.
func (c *client) batch() {
	var items []history.Item
	for range 2 + c.random.IntN(24) {
		items = append(items, c.event())
	}
	reason := history.New
	if c.random.IntN(3) == 0 {
		items = append(items, c.invalid())
	}
	switch c.random.IntN(4) {
	case 0:
		items = append(items, items[0]) // the same event twice
	case 1:
		items = append(items, c.otherContent(items[0]))
		reason = history.Conflicting
	}
	c.send(c.app(), reason, items...)
}

// atOnce sends the same event to all replicas at the same time.
func (c *client) atOnce() {
	item := c.event()
	c.together(history.AtOnce, func(int) history.Item { return item })
}

// conflicting sends an id with several contents: at once, or one after the other.
func (c *client) conflicting() {
	item := c.event()
	if c.random.IntN(2) == 0 {
		c.together(history.Conflicting, func(i int) history.Item {
			if i == 0 {
				return item
			}
			return c.otherContent(item)
		})
		return
	}
	a := c.app()
	c.send(a, history.Conflicting, item)
	c.send(a, history.Conflicting, c.otherContent(item))
}

// together sends one event to each door at the same time.
func (c *client) together(reason history.Reason, item func(door int) history.Item) {
	a := c.app()
	outcomes, requests := make([]history.Outcome, len(c.options.Doors)), make([]request, len(c.options.Doors))
	for i, door := range c.options.Doors {
		requests[i] = c.of(sent{app: a, items: []history.Item{item(i)}}, reason)
		requests[i].door = door
	}
	var wg sync.WaitGroup
	for i, r := range requests {
		wg.Go(func() { outcomes[i] = c.Workload.send(r) })
	}
	wg.Wait()
	for i, r := range requests {
		c.remember(outcomes[i], sent{app: a, items: r.items})
	}
}

// hostile sends what is no event, alone, or a body that is none at all.
func (c *client) hostile() {
	s := sent{app: c.app(), items: []history.Item{c.invalid()}}
	if c.random.IntN(3) > 0 {
		c.remember(c.Workload.send(c.of(s, history.Hostile)), s)
		return
	}
	s.items = []history.Item{c.malformed()}
	r := c.of(s, history.Hostile)
	r.malformed, r.lines = true, false // of lines, one that is broken is refused alone
	c.Workload.send(r)
}

// single sends a new event with another credential, and never again.
func (c *client) single(with func() credential, reason history.Reason) {
	c.Workload.send(request{app: c.app(), credential: with(), door: c.door(), reason: reason, items: []history.Item{c.event()}})
}

// revoked sends with a credential that auth has revoked.
func (c *client) revoked() {
	a := c.app()
	dead, ok := a.newestDead()
	if !ok {
		return
	}
	c.Workload.send(request{app: a, credential: dead, door: c.door(), reason: history.Retired, items: []history.Item{c.event()}})
}

// settle sends half of what the client is in doubt about again, until it is not: the other half stays as it is, as if
// the client had gone.
func (c *client) settle(ctx context.Context) {
	for i, s := range c.doubted {
		for i%2 == 0 && ctx.Err() == nil {
			o := c.Workload.send(c.of(s, history.AfterDoubt))
			if o.Status != 0 && o.Status != http.StatusServiceUnavailable || !pause(ctx, insistEvery) {
				break
			}
		}
	}
}
