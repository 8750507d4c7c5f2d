package main

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestJudge(t *testing.T) {
	t.Parallel()
	event := func(id, data string) sent {
		return sent{ID: id, SessionID: "s", Category: "c", Name: "n", Timestamp: "t", Data: json.RawMessage(data)}
	}
	back := func(id, data string) read {
		return read{ID: id, SessionID: "s", Category: "c", Name: "n", Type: "c n", Timestamp: "t", Data: json.RawMessage(data)}
	}
	wrongType := back("type", `{}`)
	wrongType.Type = "n c"
	v := judge(
		[]sent{event("same", `{"a":1.0}`), event("other", `{"a":[1]}`), event("gone", `{}`), event("type", `{}`)},
		[]read{back("same", `{"a": 1}`), back("other", `{"a":[2]}`), wrongType, wrongType, back("new", `{}`)})
	if v.ok() || v.equal != 1 || len(v.different) != 2 || len(v.missing) != 1 || len(v.repeated) != 1 || len(v.unexpected) != 1 {
		t.Errorf("got %+v", v)
	}
	var out strings.Builder
	v.print(&out, "title")
	for _, want := range []string{"1 equal (25.00 %)", `other: data at "/a/0": sent 1, read 2`, "missing: gone", "twice: type", "unexpected: new"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
	all := judge([]sent{event("same", `{}`)}, []read{back("same", `{}`)})
	if !all.ok() || all.equal != 1 {
		t.Errorf("got %+v", all)
	}
}

func TestParseEnv(t *testing.T) {
	t.Parallel()
	env := parseEnv("# THEEYE_X=no\nTHEEYE_CLIENT_ID=eye_1\n\nTHEEYE_REDIS_URL=redis://:p=w@h/0\n")
	if env["THEEYE_CLIENT_ID"] != "eye_1" || env["THEEYE_REDIS_URL"] != "redis://:p=w@h/0" || len(env) != 2 {
		t.Errorf("got %v", env)
	}
}
