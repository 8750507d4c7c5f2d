package workload

import (
	"context"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

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
}

// remembered is how many requests a client can send again: of the newest, so that repetitions meet the first in flight.
const remembered = 50

// Shares of what a client does, of a hundred. The rest are new events, one alone.
const (
	shareBatch       = 15
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
func (c *client) send(a *application, reason history.Reason, items ...history.Item) history.Outcome {
	o := c.Workload.send(request{app: a, credential: a.anyLive(c.random), door: c.door(), reason: reason, items: items})
	c.remember(o, sent{a, items})
	return o
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
	c.send(s.app, reason, s.items...)
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
	credential := a.anyLive(c.random)
	outcomes, requests := make([]history.Outcome, len(c.options.Doors)), make([]request, len(c.options.Doors))
	for i, door := range c.options.Doors {
		requests[i] = request{app: a, credential: credential, door: door, reason: reason, items: []history.Item{item(i)}}
	}
	var wg sync.WaitGroup
	for i, r := range requests {
		wg.Go(func() { outcomes[i] = c.Workload.send(r) })
	}
	wg.Wait()
	for i, r := range requests {
		c.remember(outcomes[i], sent{a, r.items})
	}
}

// hostile sends what is no event, alone, or a body that is none at all.
func (c *client) hostile() {
	a := c.app()
	r := request{app: a, credential: a.anyLive(c.random), door: c.door(), reason: history.Hostile, items: []history.Item{c.invalid()}}
	if c.random.IntN(3) == 0 {
		r.malformed, r.items = true, []history.Item{c.malformed()}
		c.Workload.send(r)
		return
	}
	c.remember(c.Workload.send(r), sent{a, r.items})
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
	c.Workload.send(request{app: a, credential: dead, door: c.door(), reason: history.New, items: []history.Item{c.event()}})
}

// settle sends half of what the client is in doubt about again, until it is not: the other half stays as it is, as if
// the client had gone.
func (c *client) settle(ctx context.Context) {
	for i, s := range c.doubted {
		for i%2 == 0 && ctx.Err() == nil {
			o := c.Workload.send(request{
				app: s.app, credential: s.app.anyLive(c.random), door: c.door(), reason: history.AfterDoubt, items: s.items,
			})
			if o.Status != 0 && o.Status != http.StatusServiceUnavailable || !pause(ctx, insistEvery) {
				break
			}
		}
	}
}
