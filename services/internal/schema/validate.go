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

// Validate checks a value, and returns in what it does not conform: nothing, or up to MaxMismatches in the order of
// their pointers. A value whose check would cost too much is refused by one Mismatch without a keyword.
func (s *Schema) Validate(value jsonb.Value) []Mismatch {
	v := valueOf(value)
	work := maxWork
	if s.plan.charge(v, &work); work < 0 {
		return []Mismatch{{Detail: "too large for its schema: checking it would take too long"}}
	}
	var violation *jsonschema.ValidationError
	if !errors.As(s.compiled.Validate(v), &violation) {
		return nil
	}
	return mismatches(violation, v)
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
