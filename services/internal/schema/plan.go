package schema

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/theeye-dev/theeye/api/event/jsonb"
)

// Limits of a plan.
const (
	// maxEvaluations is how many subschemas one value may be evaluated against, each as often as it is reached, and how
	// many numbers it may be compared with. A union of fifty types with ten members each has about fifty.
	maxEvaluations = 1000
	// maxPlanSteps bounds the making of a plan, to some 50 ms. A plan without recursion takes about as many steps as the
	// schema has bytes.
	maxPlanSteps = 1 << 21
)

// state is what a value is evaluated against: some subschemas, each a number of times. States are shared: a schema that
// refers to itself comes back to the state it started from. nil is the state in which nothing is evaluated.
type state struct {
	evaluations int
	steps       int // of patterns, for every byte of a text
	nameSteps   int // of patterns, for every byte of a member's name
	unique      int
	unevaluated bool
	levels      int // subschemas inside one another that are evaluated at the same moment
	errors      int // that the validator may find and keep
	kept        int // bytes that it keeps with them
	numeric     int // of those that compare numbers

	named  map[string]*state // members by name
	other  *state            // members of other names
	names  *state            // the names themselves
	prefix []*state          // the first elements
	items  *state            // further elements
}

// planner makes the states of a schema, breadth first: as deep as an event may be, a state that is not yet known is
// never reached at a smaller depth later.
type planner struct {
	order  []*node // every subschema before those that it applies to the same value
	counts []int   // by index: how often each is evaluated in the state in hand
	levels []int   // by index: how many subschemas apply each other down to this one
	states map[string]*state
	queue  []*pending
	steps  int
	fault  *Fault
}

// pending is a state whose members and elements are still to be looked at.
type pending struct {
	*state
	seeds  seeds
	active []*node // evaluated at least once
	depth  int
}

// seeds are subschemas that are applied to a value from its container, before these apply others to the same value.
type seeds map[*node]int

func (s seeds) add(n *node, count int) {
	if n != nil {
		s[n] += count
	}
}

// newPlan makes the plan of a schema, whose root is the first of its nodes.
func newPlan(nodes []*node) (*state, *Fault) {
	order, fault := sortNodes(nodes)
	if fault != nil {
		return nil, fault
	}
	p := &planner{order: order, counts: make([]int, len(nodes)), levels: make([]int, len(nodes)), states: map[string]*state{}}
	root := p.reach(seeds{nodes[0]: 1}, 0)
	for len(p.queue) > 0 && p.fault == nil {
		next := p.queue[0]
		p.queue = p.queue[1:]
		if next.depth < jsonb.MaxDepth {
			p.expand(next)
		}
	}
	return root, p.fault
}

// reach returns the state that begins with some subschemas.
func (p *planner) reach(s seeds, depth int) *state {
	if len(s) == 0 || p.fault != nil {
		return nil
	}
	sorted := make([]*node, 0, len(s))
	for n := range s {
		sorted = append(sorted, n)
	}
	slices.SortFunc(sorted, func(a, b *node) int { return a.index - b.index })
	var key []byte
	for _, n := range sorted {
		key = binary.AppendUvarint(binary.AppendUvarint(key, uint64(n.index)), uint64(s[n]))
	}
	if known := p.states[string(key)]; known != nil {
		return known
	}
	next := &pending{state: &state{}, seeds: s, depth: depth}
	p.states[string(key)] = next.state
	p.queue = append(p.queue, next)
	p.count(next)
	if next.evaluations > maxEvaluations {
		p.fault = &Fault{
			Pointer: sorted[0].pointer,
			Detail:  fmt.Sprintf("costs too much: one value would be evaluated against more than %d subschemas and numbers, counted as often as they are reached", maxEvaluations),
		}
	}
	return next.state
}

// count sums up what one value costs in a state.
func (p *planner) count(next *pending) {
	clear(p.counts)
	clear(p.levels)
	for n, count := range next.seeds {
		p.counts[n.index] += count
	}
	for _, n := range p.order {
		count := p.counts[n.index]
		if count == 0 {
			continue
		}
		for _, other := range n.inPlace {
			p.counts[other.index] = min(p.counts[other.index]+count, maxEvaluations+1)
			p.levels[other.index] = max(p.levels[other.index], p.levels[n.index]+1)
		}
		next.levels = max(next.levels, p.levels[n.index]+1)
		next.errors += count * n.errors
		next.kept += count * (n.kept + n.errors*errorBytes)
		if n.numeric {
			next.numeric += count
		}
		next.active = append(next.active, n)
		next.evaluations += count * n.weight
		next.steps += count * n.steps
		next.unevaluated = next.unevaluated || n.unevaluated
		for _, pattern := range n.patterns {
			next.nameSteps += count * pattern.steps
		}
		if n.unique {
			next.unique += count
		}
	}
	p.spend(len(p.order))
}

func (p *planner) spend(steps int) {
	if p.steps += steps; p.steps > maxPlanSteps && p.fault == nil {
		p.fault = &Fault{Detail: "is too complex: its references combine in too many ways"}
	}
}

// expand finds the states of a state's members and elements.
func (p *planner) expand(s *pending) {
	counts := p.countsOf(s)
	labels := map[string]bool{}
	prefix := 0
	names, items := seeds{}, seeds{}
	for i, n := range s.active {
		for name := range n.properties {
			labels[name] = true
		}
		prefix = max(prefix, len(n.prefix))
		names.add(n.names, counts[i])
		items.addElement(n, counts[i], len(n.prefix))
	}
	s.names, s.items = p.reach(names, s.depth+1), p.reach(items, s.depth+1)
	s.named = make(map[string]*state, len(labels))
	for name := range labels {
		s.named[name] = p.member(s, counts, name)
	}
	s.other = p.others(s, counts)
	for at := range prefix {
		element := seeds{}
		for i, n := range s.active {
			element.addElement(n, counts[i], at)
		}
		p.spend(len(s.active))
		s.prefix = append(s.prefix, p.reach(element, s.depth+1))
	}
}

// countsOf counts a state's evaluations once more: keeping them for all that wait would take too much memory.
func (p *planner) countsOf(s *pending) []int {
	again := &pending{state: &state{}, seeds: s.seeds}
	p.count(again)
	counts := make([]int, len(s.active))
	for i, n := range s.active {
		counts[i] = p.counts[n.index]
	}
	return counts
}

// member is the state of the members of a name.
func (p *planner) member(s *pending, counts []int, name string) *state {
	member := seeds{}
	for i, n := range s.active {
		property, found := n.properties[name]
		member.add(property, counts[i])
		for _, pattern := range n.patterns {
			if pattern.re.MatchString(name) {
				member.add(pattern.node, counts[i])
				found = true
			}
		}
		if !found {
			member.add(n.additional, counts[i])
		}
		member.addRest(n, counts[i])
		p.spend(1 + len(n.patterns))
	}
	return p.reach(member, s.depth+1)
}

// others is the state of members that no properties name: they are taken to match every pattern and none.
func (p *planner) others(s *pending, counts []int) *state {
	member := seeds{}
	for i, n := range s.active {
		for _, pattern := range n.patterns {
			member.add(pattern.node, counts[i])
		}
		member.add(n.additional, counts[i])
		member.addRest(n, counts[i])
		p.spend(1 + len(n.patterns))
	}
	return p.reach(member, s.depth+1)
}

func (s seeds) addRest(n *node, count int) {
	for _, rest := range n.rest {
		s.add(rest, count)
	}
}

// addElement adds what a subschema applies to the element at an index.
func (s seeds) addElement(n *node, count, at int) {
	if at < len(n.prefix) {
		s.add(n.prefix[at], count)
	} else {
		s.add(n.items, count)
	}
	s.addRest(n, count)
}
