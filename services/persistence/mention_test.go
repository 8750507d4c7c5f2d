package persistence

import (
	"strings"
	"testing"
)

// TestMentioned finds the session of what cannot be read, so that it is erased with it.
func TestMentioned(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"session_id":"s","data":{"n":1e999}}`:                                      "s",
		`{"data":{"session_id":"decoy","n":1e999},"session_id":"s"}`:                 "s",
		`{"data":[[{"session_id":"decoy"}]],"session_id":"s","session_id":"twice"}`:  "s",
		`{"session\u005fid":"s","n":1e999}`:                                          "s",
		`{"name":"\"session_id\":\"quoted\"","session_id" : "s"`:                     "s",
		`{"specversion":"1.0","sessionid":"s","data":{"session_id":"decoy"},"n":01}`: "s",
		`[{"session_id":"s","data":{"session_id":"decoy"}},{"session_id":"next"},`:   "s",
		`{"data":{"session_id":"only","cut":`:                                        "only",
		`{"session_id":7,"data":{"session_id":"inner"}`:                              "inner",
		`{"session_id":"s\ud800"`:                                                    "s\ufffd",
		`{"session_id":"cut`:                                                         "",
		`{"session_id"`:                                                              "",
		`"session_id":"s"`:                                                           "s",
		`{"session_id":"` + strings.Repeat("x", 129) + `"`:                           "",
		strings.Repeat("[", 100_000) + `{"session_id":"deep"}`:                       "deep",
		"{\"session_id\":\"a\xffb\"":                                                 "a\ufffdb",
		"\"\\":                                                                       "",
		"":                                                                           "",
	} {
		if got := mentioned([]byte(text)); got != want {
			t.Errorf("%.80q: %q, want %q", text, got, want)
		}
	}
}
