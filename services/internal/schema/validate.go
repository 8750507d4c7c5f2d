package schema

import (
	"errors"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/theeye-dev/theeye/api/event/jsonb"
)

// maxWork is what checking one value may cost, in evaluations: each takes up to 1 µs and 900 bytes when it fails, so that
// none takes more than 0.2 s and 90 MB (BenchmarkWork). 4,000 values, about 64 KiB of JSON, may so be evaluated against
// 25 subschemas each.
const maxWork = 100_000

// RequestWork is what checking the events of one request may cost together: as much as ten of the costliest, at most
// 2 s. Ordinary events take a tenth of it when there are as many as there may be (TestOrdinaryRequest).
const RequestWork Work = 10 * maxWork

// Work is what checks may cost, in evaluations.
type Work int

// Errors of Validate: the value was not checked.
var (
	ErrTooCostly = errors.New("too large for its schema: checking it would take too long")
	ErrSpent     = errors.New("checking it with the others of its request would take too long")
)

// Validate checks a value, and returns in what it does not conform: nothing, or up to MaxMismatches in the order of
// their pointers. What it costs is taken from left; a value that costs more is not checked, and neither is one that
// costs too much by itself.
func (s *Schema) Validate(value jsonb.Value, left *Work) ([]Mismatch, error) {
	v := valueOf(value)
	rest := maxWork
	if s.plan.charge(v, &rest); rest < 0 {
		return nil, ErrTooCostly
	}
	cost := Work(maxWork - rest)
	if cost > *left {
		return nil, ErrSpent
	}
	*left -= cost
	var violation *jsonschema.ValidationError
	if !errors.As(s.compiled.Validate(v), &violation) {
		return nil, nil
	}
	return mismatches(violation, v), nil
}

// charge takes what evaluating a value costs at most from work, and stops when that is used up.
func (s *state) charge(v any, work *int) {
	if s == nil || *work < 0 {
		return
	}
	switch v := v.(type) {
	case string:
		s.chargeText(v, work)
	case map[string]any:
		*work -= s.evaluations * (1 + len(v)/8) // every subschema walks the members
		for name, member := range v {
			s.names.charge(name, work)
			*work -= s.nameSteps * len(name) / 32
			s.member(name).charge(member, work)
		}
	case []any:
		s.chargeArray(v, work)
	default:
		*work -= s.evaluations
	}
}

func (s *state) member(name string) *state {
	if known, ok := s.named[name]; ok {
		return known
	}
	return s.other
}

// chargeText counts the validator's copy of a text, and a step of a pattern as a thirtieth of an evaluation, 30 ns, which
// is more than most take.
func (s *state) chargeText(text string, work *int) {
	*work -= s.evaluations*(1+len(text)/1024) + s.steps*len(text)/32
}

func (s *state) chargeArray(array []any, work *int) {
	*work -= s.evaluations
	if s.unevaluated {
		*work -= s.evaluations * len(array) / 8 // the validator keeps a set of indexes for each
	}
	if s.unique > 0 { // elements are hashed, and a sender who wants to can make all hashes the same
		*work -= s.unique * (len(array)*len(array)/16 + sizeOf(array))
	}
	for i, element := range array {
		if i < len(s.prefix) {
			s.prefix[i].charge(element, work)
		} else {
			s.items.charge(element, work)
		}
	}
}
