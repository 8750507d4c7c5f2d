//go:build failpoint

package failpoint_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/theeye-dev/theeye/services/internal/failpoint"
)

const child = "FAILPOINT_TEST_CHILD"

func TestOrdersAreCarriedOutOnce(t *testing.T) {
	if os.Getenv(child) != "" {
		failpoint.Hit(failpoint.Read)      // nothing was ordered here
		failpoint.Hit(failpoint.Committed) // the end
		return
	}
	dir := t.TempDir()
	order := filepath.Join(dir, string(failpoint.Committed))
	if err := os.WriteFile(order, []byte("kill"), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func() *exec.Cmd {
		cmd := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), child+"=1", "THEEYE_FAILPOINTS="+dir)
		_ = cmd.Run() // how it ended is looked at below
		return cmd
	}
	status := run().ProcessState.Sys().(syscall.WaitStatus)
	if !status.Signaled() || status.Signal() != syscall.SIGKILL {
		t.Errorf("it ended with %v, not by SIGKILL", status)
	}
	if _, err := os.Stat(order); !os.IsNotExist(err) {
		t.Errorf("the order is still there: %v", err)
	}
	if again := run(); !again.ProcessState.Success() {
		t.Errorf("without an order it ended with %v", again.ProcessState)
	}
}

func TestClockIsSetWrong(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("THEEYE_FAILPOINTS", dir)
	if err := os.WriteFile(filepath.Join(dir, "clock"), []byte("-1h"), 0o600); err != nil {
		t.Fatal(err)
	}
	if off := time.Since(failpoint.Now()); off < time.Hour || off > time.Hour+time.Minute {
		t.Errorf("the clock is %s behind, want an hour", off)
	}
}
