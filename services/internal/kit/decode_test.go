package kit_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"

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

// TestUnread tells who is slow from who went away, and from who sends chunks that are none.
func TestUnread(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err     error
		chunked bool
		code    fault.Code
		says    string
	}{
		"slow":              {&net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, true, fault.CodeTimeout, "30 s"},
		"cut off":           {io.ErrUnexpectedEOF, false, fault.CodeMalformed, "cut off"},
		"chunks cut off":    {io.ErrUnexpectedEOF, true, fault.CodeMalformed, "cut off"},
		"reset":             {&net.OpError{Op: "read", Err: syscall.ECONNRESET}, true, fault.CodeMalformed, "cut off"},
		"gone, over HTTP/2": {errors.New("client disconnected"), false, fault.CodeMalformed, "cut off"},
		"chunks":            {errors.New("malformed chunked encoding"), true, fault.CodeMalformed, "chunks"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest(http.MethodPut, "/", iotest.ErrReader(c.err))
			if c.chunked {
				r.TransferEncoding = []string{"chunked"}
			}
			err := kit.DecodeJSON(r, 64, new(struct{}))
			if p := fault.ProblemOf(err); p.Code != c.code || !strings.Contains(p.Detail, c.says) || !errors.Is(err, c.err) {
				t.Errorf("got %v, want %s with %q", err, c.code, c.says)
			}
		})
	}
}
