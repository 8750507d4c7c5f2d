package main

import (
	"context"
	"errors"
	"fmt"
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
