package nemesis

import (
	"context"
	"errors"
	"fmt"

	"github.com/theeye-dev/theeye/hack/chaos/world"
)

// linkFaults are about what is between processes. What a toxic does is in toxiproxy's documentation.
func linkFaults() []Fault {
	var faults []Fault
	for _, f := range []struct {
		name  string
		toxic func(s *Strike) world.Toxic
	}{
		// The request is carried out, and its answer never comes: the connection is closed after a while.
		{"lost-replies", func(s *Strike) world.Toxic {
			return toxic("timeout", world.Down, attributes{"timeout": s.between(1, 1500)})
		}},
		// Nothing comes and nothing is closed: half-open connections.
		{"silence", func(*Strike) world.Toxic { return toxic("timeout", world.Down, attributes{"timeout": 0}) }},
		{"lost-requests", func(s *Strike) world.Toxic {
			return toxic("timeout", world.Up, attributes{"timeout": s.between(1, 1500)})
		}},
		{"resets-of-replies", func(s *Strike) world.Toxic {
			return toxic("reset_peer", world.Down, attributes{"timeout": s.between(0, 200)})
		}},
		{"resets-of-requests", func(s *Strike) world.Toxic {
			return toxic("reset_peer", world.Up, attributes{"timeout": s.between(0, 200)})
		}},
		{"half-replies", func(s *Strike) world.Toxic {
			return toxic("limit_data", world.Down, attributes{"bytes": s.between(1, 4000)})
		}},
		{"half-requests", func(s *Strike) world.Toxic {
			return toxic("limit_data", world.Up, attributes{"bytes": s.between(1, 4000)})
		}},
		{"latency", func(s *Strike) world.Toxic {
			return toxic("latency", world.Down, attributes{"latency": s.between(20, 1200), "jitter": 20})
		}},
		{"slices", func(s *Strike) world.Toxic {
			return toxic("slicer", s.either(world.Up, world.Down), attributes{"average_size": 64, "size_variation": 32, "delay": 100})
		}},
		{"slow-link", func(s *Strike) world.Toxic {
			return toxic("bandwidth", s.either(world.Up, world.Down), attributes{"rate": s.between(4, 64)})
		}},
	} {
		faults = append(faults, Fault{Name: f.name, On: Link, Do: func(ctx context.Context, s *Strike) (string, error) {
			return s.poison(ctx, f.toxic(s))
		}})
	}
	return append(faults, Fault{Name: "cut-connections", On: Link, Do: cut})
}

// attributes of a toxic.
type attributes = map[string]any

func toxic(kind string, stream world.Direction, a attributes) world.Toxic {
	return world.Toxic{Type: kind, Stream: stream, Attributes: a}
}

func (s *Strike) between(least, most int) int { return least + s.Random.IntN(most-least+1) }

func (s *Strike) either(a, b world.Direction) world.Direction {
	return []world.Direction{a, b}[s.Random.IntN(2)]
}

// poison puts a toxic on a link for a while. It took effect when something met it.
func (s *Strike) poison(ctx context.Context, t world.Toxic) (string, error) {
	link, err := s.link()
	if err != nil {
		return "", err
	}
	before := link.Passed(t.Stream)
	cure, err := link.Poison(t)
	if err != nil {
		return "", err //nolint:wrapcheck // says which link
	}
	pause(ctx, s.Hold)
	met := link.Passed(t.Stream) - before
	// What hangs in a dead link must not keep the toxic there: connections begin anew.
	if err := errors.Join(cure(ctx), link.Cut()); err != nil {
		return "", err
	}
	if met == 0 {
		return "", nil
	}
	return fmt.Sprintf("%d bytes met %v", met, t.Attributes), nil
}

// cut closes every connection of a link several times.
func cut(ctx context.Context, s *Strike) (string, error) {
	link, err := s.link()
	if err != nil {
		return "", err
	}
	const cuts = 5
	used := 0
	for range cuts {
		before := link.Passed(world.Up)
		if err := link.Cut(); err != nil {
			return "", err //nolint:wrapcheck // says which link
		}
		pause(ctx, s.Hold/cuts)
		if link.Passed(world.Up) > before {
			used++
		}
	}
	if used == 0 {
		return "", nil
	}
	return fmt.Sprintf("used again after %d of %d cuts", used, cuts), nil
}
