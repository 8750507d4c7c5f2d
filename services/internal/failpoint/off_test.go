//go:build !failpoint

package failpoint_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/theeye-dev/theeye/services/internal/failpoint"
)

func TestWhatIsReleasedTakesNoOrders(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("THEEYE_FAILPOINTS", dir)
	for name, order := range map[string]string{string(failpoint.Appended): "kill", "clock": "-1h"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(order), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	failpoint.Hit(failpoint.Appended)
	if off := time.Since(failpoint.Now()); off > time.Minute {
		t.Errorf("the clock is %s behind", off)
	}
}
