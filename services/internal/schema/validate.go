package schema

import (
	"encoding/json"
	"errors"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/theeye-dev/theeye/api/event/jsonb"
)

// maxWork is what checking one value may cost, in evaluations: each takes up to 1 µs, so that none takes more than 0.2 s
// (BenchmarkWork). What it may hold meanwhile is bounded beside (MaxMemory).
const maxWork = 100_000

// RequestWork is what checking the events of one request may cost together: as much as ten of the costliest, at most
// 2 s. Ordinary events take a tenth of it when there are as many as there may be (TestOrdinaryRequest).
const RequestWork Work = 10 * maxWork

// lightWork is what the checks of a request cost before they are work for which requests take turns: at most 4 ms. The
// events of 64 KiB of ordinary ones take some 3,000.
const lightWork = 4000

// Work is what checks may cost, in evaluations.
type Work int

// Account is what the checks of one request may take. The zero Account allows none.
type Account struct {
	Left    Work
	Reserve Reserve      // nil, in tests of other things: memory is not counted
	Turn    func() error // called once, before the checks cost more than little; nil: nobody waits

	taken bool // the turn
}

// spend takes what a check costs.
func (a *Account) spend(cost Work) error {
	if cost > a.Left {
		return ErrSpent
	}
	if heavy := RequestWork-a.Left+cost > lightWork; heavy && !a.taken && a.Turn != nil {
		if err := a.Turn(); err != nil {
			return err
		}
		a.taken = true
	}
	a.Left -= cost
	return nil
}

// Errors of Validate: the value was not checked.
var (
	ErrTooCostly = errors.New("too large for its schema: checking it would take too long, or too much memory")
	ErrSpent     = errors.New("checking it with the others of its request would take too long")
)

// Validate checks a value, and returns in what it does not conform: nothing, or up to MaxMismatches in the order of
// their places. What it costs is taken from the account; a value that costs more is not checked, and neither is one that
// costs too much by itself. Errors of the account's functions are returned as they are.
func (s *Schema) Validate(value jsonb.Value, account *Account) ([]Mismatch, error) {
	b := bill{work: maxWork, memory: copied(value) + stepBytes*s.steps}
	if b.over() {
		return nil, ErrTooCostly
	}
	giveCopy, err := account.Reserve.take(b.memory)
	if err != nil {
		return nil, err
	}
	defer giveCopy()
	v, own := valueOf(value), b.memory
	if s.plan.charge(v, 0, &b); b.over() {
		return nil, ErrTooCostly
	}
	if err := account.spend(Work(maxWork - b.work)); err != nil {
		return nil, err
	}
	giveErrors, err := account.Reserve.take(b.total() - own)
	if err != nil {
		return nil, err
	}
	defer giveErrors()
	var violation *jsonschema.ValidationError
	if !errors.As(s.compiled.Validate(v), &violation) {
		return nil, nil
	}
	return mismatches(violation, v), nil
}

// charge adds what evaluating a value costs at most to a bill, and stops when that is too much. name is how many bytes
// of its pointer are its own.
func (s *state) charge(v any, name int, b *bill) {
	if s == nil || b.over() {
		return
	}
	b.enter(s, name)
	switch v := v.(type) {
	case string:
		s.chargeText(v, b)
	case map[string]any:
		s.chargeObject(v, b)
	case []any:
		s.chargeArray(v, b)
	case json.Number:
		b.number(s, v)
		b.work -= s.evaluations
	default:
		b.work -= s.evaluations
	}
	b.leave(s, name)
}

func (s *state) chargeObject(object map[string]any, b *bill) {
	b.work -= s.evaluations * (1 + len(object)/8) // every subschema walks the members
	if s.unevaluated {
		b.memory += s.levels * memberSet * len(object)
	}
	for name, member := range object {
		s.names.charge(name, 0, b)
		b.work -= s.nameSteps * len(name) / 32
		s.member(name).charge(member, len(name), b)
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
func (s *state) chargeText(text string, b *bill) {
	b.work -= s.evaluations*(1+len(text)/1024) + s.steps*len(text)/32
}

func (s *state) chargeArray(array []any, b *bill) {
	b.work -= s.evaluations
	if s.unevaluated {
		b.work -= s.evaluations * len(array) / 8 // the validator keeps a set of indexes for each
		b.memory += s.levels * elementSet * len(array)
	}
	if s.unique > 0 { // elements are hashed, and a sender who wants to can make all hashes the same
		b.work -= s.unique * (len(array)*len(array)/16 + sizeOf(array))
		b.memory += uniqueBytes * len(array)
	}
	for i, element := range array {
		if i < len(s.prefix) {
			s.prefix[i].charge(element, 0, b)
		} else {
			s.items.charge(element, 0, b)
		}
	}
}
