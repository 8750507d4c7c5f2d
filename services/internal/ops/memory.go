package ops

import (
	"os"
	"runtime/debug"
)

// gcPercent lets a live heap of some MiB grow to five times its size before it is collected: with Go's default of 100
// a loaded ingest collected a 6 MiB heap a hundred times a second.
const gcPercent = 400

// TuneMemory trades memory for CPU below a soft limit in bytes, at which the collector works as hard as it must. GOGC
// and GOMEMLIMIT in the environment win.
func TuneMemory(limit int64) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(limit)
	}
}
