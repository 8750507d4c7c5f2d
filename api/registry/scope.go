package registry

import (
	"fmt"
	"strings"
)

// Scope is something that a credential may allow.
type Scope string

// The scopes.
const (
	ScopeWrite Scope = "events:write" // post events
	ScopeRead  Scope = "events:read"  // read the application's own data
)

// Scopes is a set of scopes, a bit for each.
type Scopes uint8

const (
	// AllScopes are what an API key has, and a token for which nothing less was asked.
	AllScopes = Scopes(1<<0 | 1<<1)
	// PublicScopes are those of a client id alone: everybody knows it, so it reads nothing.
	PublicScopes = Scopes(1 << 0)
)

// names are the scopes in the order of their bits, which is also that of lists.
func names() [2]Scope { return [2]Scope{ScopeWrite, ScopeRead} }

// ParseScopes reads a list of scopes as OAuth 2.0 writes it (RFC 6749, section 3.3): with spaces between them, in any
// order. The error names those that there are not; the set has the others.
func ParseScopes(list string) (set Scopes, err error) {
	for word := range strings.FieldsSeq(list) {
		one := bit(Scope(word))
		if one == 0 && err == nil {
			err = fmt.Errorf("there is no scope %.64q; there are %s", word, AllScopes)
		}
		set |= one
	}
	return set, err
}

// Has tells whether a scope is in the set.
func (s Scopes) Has(scope Scope) bool { return s&bit(scope) != 0 }

// String lists the set as ParseScopes reads it.
func (s Scopes) String() string {
	var list []string
	for _, name := range names() {
		if s.Has(name) {
			list = append(list, string(name))
		}
	}
	return strings.Join(list, " ")
}

// bit is a scope's; 0 for one that there is not.
func bit(scope Scope) Scopes {
	for i, name := range names() {
		if name == scope {
			return 1 << i
		}
	}
	return 0
}
