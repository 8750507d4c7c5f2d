package schema

import (
	"errors"
	"fmt"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/theeye-dev/theeye/api/event/jsonb"
)

// Limits of one schema. Its JSON has those of api/event/jsonb as well: 64 containers inside one another, 1,000 members
// of one object.
const (
	MaxBytes      = 64 << 10 // of JSON; the largest public schemas of single events have a few KiB
	MaxSubschemas = 1000     // compiling takes their number squared: 25 ms for so many
)

// location is what the compiler calls the document. It is never loaded and never shown.
const location = "urn:theeye:schema"

// Schema is a compiled schema. It is safe for concurrent use.
type Schema struct {
	compiled *jsonschema.Schema
	plan     *state
	steps    int // of all patterns
}

// Compile reads a JSON Schema. The error is a *Fault.
func Compile(raw []byte) (*Schema, error) {
	root, err := decode(raw)
	if err != nil {
		return nil, err
	}
	d := newDocument(root)
	if d.fault != nil {
		return nil, d.fault
	}
	if _, err := compile(root, func(*jsonschema.Compiler) {}); err != nil {
		return nil, faultOf(err)
	}
	compiled, err := compile(root, pausing)
	if err != nil {
		return nil, faultOf(err)
	}
	plan, fault := newPlan(d.nodes)
	if fault != nil {
		return nil, fault
	}
	return &Schema{compiled: compiled, plan: plan, steps: d.steps}, nil
}

// compile has a schema compiled in one way of our own.
func compile(root any, with func(*jsonschema.Compiler)) (*jsonschema.Schema, error) {
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	compiler.AssertFormat()
	compiler.UseLoader(noLoader{})
	compiler.UseRegexpEngine(boundedRegexp)
	with(compiler)
	if err := compiler.AddResource(location, root); err != nil {
		return nil, err //nolint:wrapcheck // faultOf looks into it
	}
	return compiler.Compile(location) //nolint:wrapcheck // faultOf looks into it
}

// decode reads the JSON of a schema strictly.
func decode(raw []byte) (any, error) {
	if len(raw) > MaxBytes {
		return nil, &Fault{Detail: fmt.Sprintf("has %d bytes; a schema may have %d", len(raw), MaxBytes)}
	}
	var scanner jsonb.Scanner
	scanner.Reset(raw)
	doc, _, fault, err := scanner.Scan()
	switch {
	case err != nil:
		return nil, &Fault{Detail: "is not JSON: " + err.Error()}
	case fault != nil:
		return nil, &Fault{Pointer: fault.Pointer, Detail: clip(fault.Detail, maxDetail)}
	case scanner.More():
		return nil, &Fault{Detail: "is not JSON: " + scanner.Fail("something follows the value").Error()}
	}
	return valueOf(doc.Root()), nil
}

// noLoader loads nothing. References are resolved before the compiler sees them: this is the second lock.
type noLoader struct{}

var errElsewhere = errors.New("schemas are not loaded from elsewhere")

// Load refuses.
func (noLoader) Load(string) (any, error) { return nil, errElsewhere }

// faultOf turns the compiler's error into a Fault. Of the faults that the standard's own schema finds it takes the
// deepest, for the others follow from it, and of those the first by name, so that a text does not change from one
// reconciliation to the next.
func faultOf(err error) *Fault {
	var invalid *jsonschema.SchemaValidationError
	var violation *jsonschema.ValidationError
	if !errors.As(err, &invalid) || !errors.As(invalid.Err, &violation) {
		return &Fault{Detail: "cannot be compiled"}
	}
	var deepest *jsonschema.ValidationError
	eachLeaf(violation, func(leaf *jsonschema.ValidationError) {
		if deepest == nil || before(leaf, deepest) {
			deepest = leaf
		}
	})
	_, detail := describe(deepest)
	return &Fault{Pointer: pointerOf(deepest.InstanceLocation), Detail: detail}
}

func eachLeaf(e *jsonschema.ValidationError, visit func(*jsonschema.ValidationError)) {
	if len(e.Causes) == 0 {
		visit(e)
	}
	for _, cause := range e.Causes {
		eachLeaf(cause, visit)
	}
}

func before(a, b *jsonschema.ValidationError) bool {
	if len(a.InstanceLocation) != len(b.InstanceLocation) {
		return len(a.InstanceLocation) > len(b.InstanceLocation)
	}
	return mismatchOf(a).compare(mismatchOf(b)) < 0
}
