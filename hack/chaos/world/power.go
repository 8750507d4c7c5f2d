package world

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"github.com/theeye-dev/theeye/hack/chaos/build"
	"github.com/theeye-dev/theeye/hack/servers"
)

// redisLog is where Redis keeps its log, in its directory (its appenddirname).
const redisLog = "appendonlydir"

// noting is the environment in which Redis notes down what it has synced.
func (w *World) noting() []string {
	return []string{
		"LD_PRELOAD=" + filepath.Join(w.options.Binaries, build.SyncedLibrary), "SYNCED_NOTES=" + w.syncedNotes(),
	}
}

// syncedNotes is not on the disk that is filled: what cannot be noted would end Redis.
func (w *World) syncedNotes() string { return filepath.Join(w.options.Dir, "redis-synced") }

// CutRedisPower ends Redis as a power cut does: of its log nothing is left that was not synced. A SIGKILL alone leaves
// all that the kernel was given. It returns how many bytes were taken away; Redis is not started again.
func (w *World) CutRedisPower(ctx context.Context) (lost int64, err error) {
	if err := w.Redis.Kill(); err != nil {
		return 0, err //nolint:wrapcheck // says which process
	}
	// Whoever rewrites the log would go on with it.
	if err := servers.End(ctx, syscall.SIGKILL, servers.Inside(w.RedisDir(), "redis-server", "redis-check-rdb")...); err != nil {
		return 0, fmt.Errorf("cut power: %w", err)
	}
	synced, err := readSynced(w.syncedNotes())
	if err != nil {
		return 0, fmt.Errorf("cut power: %w", err)
	}
	entries, err := os.ReadDir(filepath.Join(w.RedisDir(), redisLog))
	if err != nil {
		return 0, fmt.Errorf("cut power: %w", err)
	}
	noted := false
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			return lost, fmt.Errorf("cut power: %w", err)
		}
		length, known := synced[info.Sys().(*syscall.Stat_t).Ino] //nolint:forcetypeassert // so it is on Linux
		noted = noted || known
		if info.Size() <= length {
			continue
		}
		if err := os.Truncate(filepath.Join(w.RedisDir(), redisLog, entry.Name()), length); err != nil {
			return lost, fmt.Errorf("cut power: %w", err)
		}
		lost += info.Size() - length
	}
	if !noted {
		return lost, errors.New("cut power: Redis has noted down nothing that it synced")
	}
	return lost, nil
}

// recordBytes is a record of what is preloaded: inode and length, as the machine writes numbers.
const recordBytes = 16

// readSynced reads how much of each file was synced last, by its inode. A record that was not written whole is left out:
// its sync was not told to anybody.
func readSynced(path string) (map[uint64]int64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read what was synced: %w", err)
	}
	synced := map[uint64]int64{}
	for notes := bytes.NewReader(text); ; {
		var record [recordBytes]byte
		if _, err := io.ReadFull(notes, record[:]); err != nil {
			return synced, nil //nolint:nilerr // the end
		}
		synced[binary.NativeEndian.Uint64(record[:])] = int64(binary.NativeEndian.Uint64(record[8:]))
	}
}
