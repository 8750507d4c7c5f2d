// Package nemesis does to a running installation what goes wrong in production, and undoes it again. What it does, to
// whom, when and for how long follows from a seed; each fault is written down with what shows that it took effect.
package nemesis

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/theeye-dev/theeye/hack/chaos/history"
	"github.com/theeye-dev/theeye/hack/chaos/world"
)

// Fault is one thing that can go wrong.
type Fault struct {
	Name string
	// On is what it is done to; no two faults are done to the same at once, but to any others.
	On Target
	// Lasts is how long it is to last; 0: as the seed decides, some seconds. One that lasts long is done in runs that
	// are long enough.
	Lasts time.Duration
	// Needs tells whether it can be done here; nil: always.
	Needs func(w *world.World) bool
	// Do does it, waits, undoes it, and returns what shows that it took effect.
	Do func(ctx context.Context, s *Strike) (effect string, err error)
}

// Fits tells whether a fault can be done in a run of a certain length, and be over before its end when it does not come up first.
func (f Fault) Fits(run time.Duration) bool { return f.Lasts+f.Lasts/2 <= run }

// Target of a fault.
type Target string

// The targets. Services and links are chosen by the fault itself, under locks of their own.
const (
	Redis    Target = "redis"
	Postgres Target = "postgres"
	Service  Target = "service"
	Link     Target = "link"
)

// Strike is one fault being done.
type Strike struct {
	World  *world.World
	Random *rand.Rand
	// Hold is how long the fault is to last.
	Hold time.Duration

	nemesis *Nemesis
	target  string   // what it was done to last, for the history
	held    []string // what no other strike may touch meanwhile
}

// Nemesis does faults.
type Nemesis struct {
	World  *world.World
	File   *history.File
	Seed   uint64
	Faults []Fault
	// Say shows progress.
	Say func(format string, args ...any)

	mu   sync.Mutex
	busy map[string]bool // targets
}

// lanes are how many faults are done at once: each goes on by itself, so that any two overlap in time.
const lanes = 2

const (
	// minHold and maxHold bound how long a fault lasts: from less than any time-out to more than those of Redis' clients
	// (3 s), and with the longest past the patience of a publisher (5 s).
	minHold = 300 * time.Millisecond
	maxHold = 4500 * time.Millisecond
	// maxLull is how long a lane rests at most: in a moment without faults what waits is stored.
	maxLull = time.Second
	// healTime is what a fault may take to be undone, which the end of a run does not cut short.
	healTime = time.Minute
)

// Run does faults until the context ends. When it returns everything is undone.
func (n *Nemesis) Run(ctx context.Context) {
	if len(n.Faults) == 0 {
		<-ctx.Done()
		return
	}
	n.busy = map[string]bool{}
	random := n.random(0)
	end, _ := ctx.Deadline()
	deck := slices.DeleteFunc(slices.Clone(n.Faults), func(f Fault) bool { return !f.Fits(time.Until(end)) })
	random.Shuffle(len(deck), func(i, j int) { deck[i], deck[j] = deck[j], deck[i] })
	var wg sync.WaitGroup
	for lane := range lanes {
		var mine []Fault // every fault comes up before any does again, over all lanes
		for i := lane; i < len(deck); i += lanes {
			mine = append(mine, deck[i])
		}
		wg.Go(func() { n.lane(ctx, mine, n.random(uint64(lane+1))) })
	}
	wg.Wait()
}

func (n *Nemesis) random(stream uint64) *rand.Rand {
	return rand.New(rand.NewPCG(n.Seed, 1<<40+stream)) //nolint:gosec // it has to follow from the seed
}

func (n *Nemesis) lane(ctx context.Context, faults []Fault, random *rand.Rand) {
	for len(faults) > 0 && pause(ctx, time.Duration(random.Int64N(int64(maxLull)))) {
		fault := faults[0]
		faults = append(faults[1:], fault)
		hold := minHold + time.Duration(random.Int64N(int64(maxHold-minHold)))
		if fault.Lasts > 0 {
			hold = fault.Lasts
		}
		own := rand.New(rand.NewPCG(random.Uint64(), random.Uint64())) //nolint:gosec // the draws of one fault shift no other's
		if last := len(faults) - 1; !n.strike(ctx, fault, hold, own) { // the other lane is at it: after the next one
			faults = slices.Insert(faults[:last], min(1, last), fault)
		}
	}
}

// strike does one fault and writes it down; false: another strike has its target.
func (n *Nemesis) strike(ctx context.Context, fault Fault, hold time.Duration, random *rand.Rand) bool {
	s := &Strike{World: n.World, Random: random, Hold: hold, nemesis: n}
	if (fault.On == Redis || fault.On == Postgres) && !s.take(string(fault.On)) {
		return false
	}
	begin := time.Now()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), hold+healTime)
	defer cancel()
	effect, err := fault.Do(ctx, s)
	s.release()
	line := history.Fault{At: begin, Until: time.Now(), Name: fault.Name, Target: s.target, Effect: effect}
	if err != nil {
		line.Error = err.Error()
	}
	n.Say("%-24s %-28s %4.1f s  %s%s", fault.Name, s.target, time.Since(begin).Seconds(), effect, line.Error)
	if err := n.File.Write(history.Line{Fault: &line}); err != nil {
		n.Say("%v", err)
	}
	return true
}

// take makes a target this strike's alone; false: another one has it.
func (s *Strike) take(target string) bool {
	s.nemesis.mu.Lock()
	defer s.nemesis.mu.Unlock()
	if s.nemesis.busy[target] {
		return false
	}
	s.nemesis.busy[target], s.target, s.held = true, target, append(s.held, target)
	return true
}

func (s *Strike) release() {
	s.nemesis.mu.Lock()
	defer s.nemesis.mu.Unlock()
	for _, target := range s.held {
		delete(s.nemesis.busy, target)
	}
	s.held = nil
}

// errNobody is what a fault answers that found no target: all were taken.
var errNobody = fmt.Errorf("no target is free")

// service takes one of the running services of some kinds; of all without any.
func (s *Strike) service(kinds ...world.Kind) (*world.Service, error) {
	running := s.World.Running(kinds...)
	s.Random.Shuffle(len(running), func(i, j int) { running[i], running[j] = running[j], running[i] })
	for _, one := range running {
		if s.take(one.Name) {
			return one, nil
		}
	}
	return nil, errNobody
}

// link takes one of the links of the running services.
func (s *Strike) link() (*world.Link, error) {
	var links []*world.Link
	for _, one := range s.World.Running() {
		links = append(links, one.Links...)
	}
	links = append(links, s.World.NodeLinks()...)
	s.Random.Shuffle(len(links), func(i, j int) { links[i], links[j] = links[j], links[i] })
	for _, one := range links {
		if s.take(one.Name) {
			return one, nil
		}
	}
	return nil, errNobody
}

// pause waits, or until the context ends, which it tells by false.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
