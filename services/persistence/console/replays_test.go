package console

import "testing"

// TestReplayIsDoneInHundredths, whatever its numbers are.
func TestReplayIsDoneInHundredths(t *testing.T) {
	t.Parallel()
	for r, want := range map[[2]int64]int64{{0, 0}: 100, {0, 8}: 0, {4, 8}: 50, {8, 8}: 100, {12, 8}: 100, {-1, 8}: 0, {3, 0}: 100, {499, 500}: 99} {
		if got := (run{Done: r[0], Total: r[1]}).Percent(); got != want {
			t.Errorf("%d of %d are %d %%, want %d", r[0], r[1], got, want)
		}
	}
}
