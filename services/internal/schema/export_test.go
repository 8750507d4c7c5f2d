package schema

import "github.com/theeye-dev/theeye/api/event/jsonb"

// Kept is all that a check holds when the validator is done, and how much it is counted as; nil where it would be given up.
func (s *Schema) Kept(value jsonb.Value) (kept any, counted int) {
	b := bill{work: maxWork, memory: copied(value) + stepBytes*s.steps}
	if b.over() {
		return nil, 0
	}
	v := valueOf(value)
	if s.plan.charge(v, 0, &b); b.over() {
		return nil, 0
	}
	return []any{v, s.compiled.Validate(v)}, b.total()
}
