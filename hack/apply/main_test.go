package main

import (
	"bytes"
	"errors"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

func TestRunPrintsTheSameCredentialsAgain(t *testing.T) {
	t.Parallel()
	var puts atomic.Int32
	auth := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPut || r.Header.Get("Authorization") != "Bearer token" {
			w.WriteHeader(http.StatusUnauthorized)
		}
		puts.Add(1)
	}))
	t.Cleanup(auth.Close)
	dir := t.TempDir()
	token := filepath.Join(dir, "token")
	if err := os.WriteFile(token, []byte("token\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{
		"-f", "../../config/samples/application.yaml", "-auth-url", auth.URL, "-admin-token-file", token,
		"-keys", filepath.Join(dir, "keys"),
	}
	var first, second bytes.Buffer
	for _, out := range []*bytes.Buffer{&first, &second} {
		if err := run(t.Context(), args, nil, out); err != nil {
			t.Fatal(err)
		}
	}
	if first.String() != second.String() {
		t.Errorf("applied again, it printed\n%s\nand not\n%s", second.String(), first.String())
	}
	for _, want := range []string{"# shop/web-shop\n", "THEEYE_CLIENT_ID=eye_", "THEEYE_CLIENT_SECRET=eye_local_", "THEEYE_API_KEY=eye_local_"} {
		if !strings.Contains(first.String(), want) {
			t.Errorf("%q is missing in\n%s", want, first.String())
		}
	}
	if got := puts.Load(); got != 4 { // application and credential, twice
		t.Errorf("auth got %d requests, want 4", got)
	}
}

func TestRunExplainsItself(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := run(t.Context(), []string{"-h"}, nil, &out); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("-h returns %v", err)
	}
	for _, want := range []string{"-auth-url", "-admin-token-file", "-keys", "go run ./hack/apply"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("help says nothing of %s", want)
		}
	}
	for name, args := range map[string][]string{
		"no file": {}, "an argument": {"-f", "x", "y"}, "no such token file": {"-f", "x", "-admin-token-file", "/nonexistent"},
	} {
		if err := run(t.Context(), args, nil, &bytes.Buffer{}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
