package schema

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Limits of patterns.
const (
	maxPatternBytes = 1024 // of one pattern
	// maxPatternSteps is how many instructions all patterns of a schema compile to, each of 40 bytes: repetitions are
	// written out, and a text of n bytes may take n times as many steps.
	maxPatternSteps = 10_000
	rangesPerStep   = 16 // a class such as \pL is one instruction with 600 ranges of 8 bytes
)

var (
	errPatternLong  = fmt.Errorf("a pattern may have %d bytes", maxPatternBytes)
	errPatternLarge = fmt.Errorf("its repetitions and classes make it too large: patterns may have %d steps", maxPatternSteps)
)

// parsePattern compiles a regular expression after it has looked at how large it will get: (a{100}){100} has 13 bytes
// and 10,000 instructions.
func parsePattern(pattern string) (re *regexp.Regexp, steps int, err error) {
	if len(pattern) > maxPatternBytes {
		return nil, 0, errPatternLong
	}
	tree, err := syntax.Parse(pattern, syntax.Perl)
	var fault *syntax.Error
	switch {
	case errors.As(err, &fault):
		return nil, 0, fmt.Errorf("is no regular expression of RE2: %s: %s", fault.Code, fault.Expr)
	case err != nil:
		return nil, 0, errPatternLarge
	}
	if steps = stepsOf(tree); steps > maxPatternSteps {
		return nil, 0, errPatternLarge
	}
	if re, err = regexp.Compile(pattern); err != nil {
		return nil, 0, errPatternLarge
	}
	return re, steps, nil
}

// stepsOf estimates how many instructions a regular expression compiles to; beyond the limit it is no longer exact.
func stepsOf(re *syntax.Regexp) int {
	steps := 1
	if re.Op == syntax.OpLiteral {
		steps = len(re.Rune)
	} else if re.Op == syntax.OpCharClass {
		steps += len(re.Rune) / 2 / rangesPerStep
	}
	for _, sub := range re.Sub {
		if steps += stepsOf(sub); steps > maxPatternSteps {
			return steps
		}
	}
	if re.Op == syntax.OpRepeat {
		steps *= max(re.Min, re.Max, 1)
	}
	return steps
}

// boundedRegexp is the compiler's way to regular expressions. With format regex it also takes those of events.
func boundedRegexp(pattern string) (jsonschema.Regexp, error) {
	re, _, err := parsePattern(pattern)
	if err != nil {
		return nil, err // not re: a nil *regexp.Regexp is no nil interface
	}
	return re, nil
}
