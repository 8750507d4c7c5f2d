package main

import (
	"strings"
	"testing"
)

func TestDifference(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ want, got, at string }{
		{`{"a":1,"b":[true,null,"x"]}`, `{"b":[true,null,"\u0078"],"a":1}`, ""},
		{`1.10`, `1.1`, ""},
		{`1e2`, `100`, ""},
		{`120e-1`, `12`, ""},
		{`-0`, `0`, ""},
		{`0.0e5`, `0`, ""},
		{`9007199254740993`, `9007199254740992`, `""`},
		{`1.000000000000000005`, `1`, `""`},
		{`-1`, `1`, `""`},
		{`1e400`, `1e401`, `""`},
		{`"1"`, `1`, `""`},
		{`null`, `false`, `""`},
		{`{}`, `[]`, `""`},
		{`{}`, `null`, `""`},
		{`{"a":{"b/c":[1,2]}}`, `{"a":{"b/c":[1,3]}}`, `"/a/b~1c/1"`},
		{`{"a~":1}`, `{}`, `"/a~0"`},
		{`{}`, `{"n":1}`, `"/n"`},
		{`[1]`, `[1,2]`, `""`},
		{`"a"`, `"A"`, `""`},
	} {
		got, err := difference([]byte(test.want), []byte(test.got))
		if err != nil || (got == "") != (test.at == "") || !strings.HasPrefix(got, test.at) {
			t.Errorf("%s against %s: %q, %v, want %s", test.want, test.got, got, err, test.at)
		}
	}
	for _, bad := range [][2]string{{"{", "{}"}, {"{}", ""}} {
		if _, err := difference([]byte(bad[0]), []byte(bad[1])); err == nil {
			t.Errorf("%v was compared", bad)
		}
	}
}
