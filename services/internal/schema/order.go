package schema

import "slices"

// sorter sorts subschemas so that each stands before those that it applies to the same value. That is possible unless
// some apply themselves to it, over and over.
type sorter struct {
	done  []bool  // by index
	path  []*node // from a first one to the one in hand
	order []*node // last first
	fault *Fault
}

func sortNodes(nodes []*node) ([]*node, *Fault) {
	s := &sorter{done: make([]bool, len(nodes))}
	for _, n := range nodes {
		s.visit(n)
	}
	slices.Reverse(s.order)
	return s.order, s.fault
}

// visit goes as deep as there are subschemas, at most MaxSubschemas.
func (s *sorter) visit(n *node) {
	if s.done[n.index] || s.fault != nil {
		return
	}
	if at := slices.Index(s.path, n); at >= 0 {
		s.fault = endless(s.path[at:])
		return
	}
	s.path = append(s.path, n)
	for _, other := range n.inPlace {
		s.visit(other)
	}
	s.path = s.path[:len(s.path)-1]
	s.done[n.index] = true
	s.order = append(s.order, n)
}

// endless faults the first reference of a circle. There is one: without references subschemas only contain others.
func endless(circle []*node) *Fault {
	at := max(0, slices.IndexFunc(circle, func(n *node) bool { return n.ref != "" }))
	return &Fault{
		Pointer: child(circle[at].pointer, circle[at].ref),
		Detail:  "leads back to itself without going into a member or an element: no evaluation would end",
	}
}
