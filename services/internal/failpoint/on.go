//go:build failpoint

package failpoint

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// directory is where orders come from: a file with the name of a place says what to do there, once; the file clock says
// by how much the clock is wrong.
func directory() string { return os.Getenv("THEEYE_FAILPOINTS") }

// clock is the file's name.
const clock = "clock"

// Hit does what was ordered for a place: kill ends the process as SIGKILL does, stop makes it stand still until SIGCONT.
// The order is taken away first: whoever gave it sees so that it was reached.
func Hit(p Point) {
	path := filepath.Join(directory(), string(p))
	order, err := os.ReadFile(path)
	if err != nil || os.Remove(path) != nil {
		return // none, or another goroutine carries it out
	}
	switch strings.TrimSpace(string(order)) {
	case "kill":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // it is on its way
	case "stop":
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	}
}

// Now is the time, as a clock shows it that was set: without a reading of the monotonic one.
func Now() time.Time {
	now := time.Now()
	text, err := os.ReadFile(filepath.Join(directory(), clock))
	if err != nil {
		return now
	}
	wrong, err := time.ParseDuration(strings.TrimSpace(string(text)))
	if err != nil {
		return now
	}
	return now.Round(0).Add(wrong)
}
