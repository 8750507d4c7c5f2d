package kit_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/theeye-dev/theeye/services/internal/fault"
	"github.com/theeye-dev/theeye/services/internal/kit"
)

func TestDecodeJSON(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body string
		code fault.Code
		says string
	}{
		"good":        {`{"a":1}`, "", ""},
		"unknown":     {`{"a":1,"b":2,"c":3}`, fault.CodeInvalid, `unknown field "c"`},
		"repeated":    {`{"a":1,"a":2}`, fault.CodeInvalid, `duplicate field "a"`},
		"wrong case":  {`{"A":1}`, fault.CodeInvalid, `unknown field "A"`},
		"wrong type":  {`{"a":"x"}`, fault.CodeInvalid, "a"},
		"empty":       {``, fault.CodeMalformed, ""},
		"no JSON":     {`{"a":`, fault.CodeMalformed, ""},
		"two values":  {`{"a":1}{"a":1}`, fault.CodeMalformed, "byte 8"},
		"end bracket": {`{"a":1}]`, fault.CodeMalformed, ""},
		"no UTF-8":    {"{\"a\":1,\"\xff\":1}", fault.CodeMalformed, "UTF-8"},
		"too large":   {`{"a":1` + strings.Repeat(" ", 64) + `}`, fault.CodeBodyTooLarge, "64 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var into struct {
				A int `json:"a"`
			}
			err := kit.DecodeJSON(httptest.NewRequest(http.MethodPut, "/", strings.NewReader(c.body)), 64, &into)
			if c.code == "" {
				if err != nil || into.A != 1 {
					t.Fatalf("got %v, %+v", err, into)
				}
				return
			}
			if p := fault.ProblemOf(err); err == nil || p.Code != c.code || !strings.Contains(p.Detail, c.says) {
				t.Fatalf("got %v, want %s with %q", err, c.code, c.says)
			}
		})
	}
}
