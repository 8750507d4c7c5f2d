package registry_test

import (
	"strings"
	"testing"

	"github.com/theeye-dev/theeye/api/registry"
)

func TestScopes(t *testing.T) {
	t.Parallel()
	for list, want := range map[string]string{
		"":                          "",
		"events:write":              "events:write",
		"events:read events:write":  "events:write events:read",
		" events:read  events:read": "events:read",
	} {
		set, err := registry.ParseScopes(list)
		if err != nil || set.String() != want {
			t.Errorf("%q is read as %q, %v", list, set, err)
		}
		for _, scope := range []registry.Scope{registry.ScopeWrite, registry.ScopeRead} {
			if set.Has(scope) != strings.Contains(list, string(scope)) {
				t.Errorf("%q has %s: %t", list, scope, set.Has(scope))
			}
		}
	}
	for _, list := range []string{"events", "Events:read", "events:read,events:write", "openid events:read"} {
		set, err := registry.ParseScopes(list)
		if err == nil || !strings.Contains(err.Error(), "events:write events:read") || set.Has(registry.ScopeWrite) {
			t.Errorf("%q is read as %q, %v", list, set, err)
		}
	}
	if all := registry.AllScopes; !all.Has(registry.ScopeRead) || !all.Has(registry.ScopeWrite) || all.Has("") || all.Has("other") {
		t.Errorf("all are %q", all)
	}
	if registry.PublicScopes.String() != "events:write" {
		t.Errorf("public are %q", registry.PublicScopes)
	}
}

func TestMark(t *testing.T) {
	t.Parallel()
	d := registry.Digest{0: 0xab, 7: 0xcd, 8: 0xef}
	if got := d.Mark(); got != "ab000000000000cd" {
		t.Errorf("mark %s", got)
	}
}
