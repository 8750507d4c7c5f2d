package persistence

import (
	"context"
	"errors"
	"testing"

	"github.com/theeye-dev/theeye/services/internal/fault"
)

// TestReadsHaveADeadline asks a store that never answers by itself.
func TestReadsHaveADeadline(t *testing.T) {
	t.Parallel()
	hanging := retried(func(ctx context.Context, _ Query) (EventPage, error) {
		if _, ok := ctx.Deadline(); !ok {
			return EventPage{}, errors.New("no deadline")
		}
		<-ctx.Done()
		return EventPage{}, ctx.Err()
	})
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // as the deadline would
	if _, err := hanging(ctx, Query{}); fault.KindOf(err) != fault.Unavailable || !errors.Is(err, context.Canceled) {
		t.Errorf("answered %v", err)
	}
}
