package main

import (
	"strings"
	"testing"

	"github.com/theeye-dev/theeye/api/apikey"
)

func TestKeyIsTheClients(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	const client = "eye_0123456789abcdef01234567"
	if err := run([]string{"-credential", "vault1", client}, &out); err != nil {
		t.Fatal(err)
	}
	id, err := apikey.Parse(strings.TrimSpace(out.String()))
	if err != nil || id != (apikey.ID{ClientID: client, Credential: "vault1"}) {
		t.Errorf("%s is of %+v (%v)", out.String(), id, err)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{},
		{"eye_1"},
		{"eye_0123456789abcdef01234567", "more"},
		{"-env", "A", "eye_0123456789abcdef01234567"},
		{"-credential", "a-b", "eye_0123456789abcdef01234567"},
	} {
		var out strings.Builder
		if err := run(args, &out); err == nil || out.Len() > 0 {
			t.Errorf("%q: error is %v, output %q", args, err, out.String())
		}
	}
}
