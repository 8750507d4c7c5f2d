package schema

import (
	"encoding/json"
	"strings"

	"github.com/theeye-dev/theeye/api/event/jsonb"
)

// What one check may hold at the same moment.
const (
	// MaxMemory is the most: beside the largest request it is within half of the least memory that requests may have.
	// Some 40,000 numbers may so be held against a type, or 2,000 against 24 subschemas that all fail.
	MaxMemory = 12 << 20
	// FreeMemory is what a check takes without asking: ten times what ordinary ones need, and of 24 checks at the same
	// moment 6 MiB. Half of it is for the copy of the value, which is made first, and half for the rest.
	FreeMemory = 256 << 10
)

// What the validator keeps until it has looked at everything, in bytes. It collects an error for every keyword of every
// subschema that fails, wherever; TestMemory holds the sum against what is in use.
const (
	errorBytes  = 112 // an error, its kind, its place in its parent's list
	tokenBytes  = 18  // each token of its pointer, of which every error has a copy
	kindBytes   = 48  // of kinds that say more than two numbers
	nameBytes   = 40  // each name that required finds missing, in a list that grew by doubling
	formatBytes = 512 // the texts and URLs in the errors of formats
	regexBytes  = 2 << 10
	namesBytes  = 240 // the two errors more around each of propertyNames
	matchBytes  = 32  // an element that contains has counted
	ratBytes    = 176 // a number without an exponent, beside its digits: two integers with room to grow
	powerBytes  = 512 // a number of 64 digits with an exponent of 308
	levelBytes  = 4 << 10
	memberSet   = 96  // a member in a set of those that are not yet evaluated
	elementSet  = 64  // an element in one
	uniqueBytes = 144 // an element's hash
	stepBytes   = 128 // of a pattern, in the machine that runs it
)

// What the copy of a value takes that the validator is given.
const (
	scalarBytes  = 32
	elementBytes = 40  // in a list that grew by doubling
	arrayBytes   = 24  // the list
	objectBytes  = 48  // without members
	groupBytes   = 304 // its first eight members
	memberBytes  = 112 // each of more than eight, in a table that doubles
)

// Reserve takes memory for a part of a check that needs more than is free, before it begins, and returns how to give it back.
// The error ends the check.
type Reserve func(bytes int) (giveBack func(), err error)

// take reserves what is not free.
func (r Reserve) take(bytes int) (giveBack func(), err error) {
	if r == nil || bytes <= FreeMemory/2 {
		return func() {}, nil
	}
	return r(bytes)
}

// copied is what the copy of a value takes: of short objects fifty times their JSON.
func copied(v jsonb.Value) int {
	switch v.Kind() {
	case jsonb.Object:
		return copiedObject(v)
	case jsonb.Array:
		total := arrayBytes
		for element := range v.Elements {
			total += elementBytes + copied(element)
		}
		return total
	case jsonb.String, jsonb.Number:
		return scalarBytes + 2*len(v.Raw()) // the validator copies each text once more
	default:
		return 0
	}
}

func copiedObject(v jsonb.Value) int {
	total, members := objectBytes, 0
	for key, value := range v.Members {
		total += scalarBytes + 2*len(key.Raw()) + copied(value)
		members++
	}
	if members > 0 {
		total += groupBytes
	}
	if members > 8 {
		total += memberBytes * members
	}
	return total
}

// bill adds up what checking a value costs at most.
type bill struct {
	work   int // evaluations that are left
	memory int // that is kept until the end

	tokens, levels, name int // of the value in hand: its depth, the evaluations that are not yet over, its pointer's bytes
	maxLevels, maxName   int
}

// total is all memory: with the stack at the deepest value, and the pointers of those Mismatches that are returned.
func (b *bill) total() int {
	return b.memory + levelBytes*b.maxLevels + 3*MaxMismatches*b.maxName
}

// over tells that the value may not be checked, however much of it was not looked at.
func (b *bill) over() bool { return b.work < 0 || b.total() > MaxMemory }

// enter counts what every value costs in a state.
func (b *bill) enter(s *state, name int) {
	b.tokens++
	b.levels += s.levels
	b.name += name
	b.maxLevels, b.maxName = max(b.maxLevels, b.levels), max(b.maxName, b.name)
	b.memory += s.kept + s.errors*tokenBytes*b.tokens
}

func (b *bill) leave(s *state, name int) {
	b.tokens--
	b.levels -= s.levels
	b.name -= name
}

// number counts what a number takes while it is compared with others.
func (b *bill) number(s *state, n json.Number) {
	if strings.ContainsAny(string(n), "eE") {
		b.memory += s.numeric * powerBytes
	} else {
		b.memory += s.numeric * (ratBytes + len(n))
	}
}

// keeps counts what the validator may keep of a subschema's errors: one for each of its keywords, and one that holds
// them together.
func (n *node) keeps(v any, object map[string]any) {
	if v == false {
		n.errors = 1
	}
	for keyword, v := range object {
		n.errors++
		n.kept += keptBy(keyword, v)
		switch keyword {
		case "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf":
			n.numeric = true
		}
	}
	if n.errors > 1 {
		n.errors++
	}
}

func keptBy(keyword string, v any) int {
	switch keyword {
	case "required", "dependentRequired", "dependencies":
		return kindBytes + nameBytes*sizeOf(v)
	case "format":
		if v == "regex" {
			return kindBytes + regexBytes
		}
		return kindBytes + formatBytes
	case "type":
		return kindBytes + 16*sizeOf(v) // their names
	case "const", "enum", "pattern", "$ref", "$dynamicRef", "oneOf":
		return kindBytes
	}
	return 0
}
