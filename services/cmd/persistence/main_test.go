package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/theeye-dev/theeye/services/internal/postgres"
)

// TestSettingsError: an unreachable server is the postgres check's to tell, and takes no replica out of rotation.
func TestSettingsError(t *testing.T) {
	t.Parallel()
	unsafe := fmt.Errorf("%w: fsync is off", postgres.ErrUnsafe)
	for _, c := range []struct{ err, want error }{
		{nil, nil}, {errors.New("connection refused"), nil}, {context.DeadlineExceeded, nil}, {unsafe, unsafe},
	} {
		if got := settingsError(c.err); !errors.Is(got, c.want) || (got == nil) != (c.want == nil) {
			t.Errorf("%v shows as %v", c.err, got)
		}
	}
}

func TestWrongFlagsAreRefused(t *testing.T) {
	t.Parallel()
	for flag, want := range map[string]string{
		"--tail=-1s":      "--tail must be between 0 and 72h",
		"--tail=73h":      "--tail must be between 0 and 72h",
		"--tail-memory=0": "--tail-memory must be at least 1",
		"--tail=72h":      "",

		"--kubernetes-access=yes": "--kubernetes-access must be auto, on or off",
		"--kubernetes-access=off": "",
	} {
		_, err := parse([]string{"--redis-url=redis://127.0.0.1:1", "--postgres-url=postgres://127.0.0.1:1/x", "--admin-token=x", "--replica=a", flag})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", flag, err, want)
		}
	}
}
