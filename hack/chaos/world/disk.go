package world

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// smallDiskBytes is far more than the log of a run, and bounded: it is memory.
const smallDiskBytes = 256 << 20

// mountSmall puts a small file system in memory on a directory. A SIGKILL loses nothing there that a disk would keep.
func mountSmall(dir string) error {
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "mode=0700,size="+strconv.Itoa(smallDiskBytes)); err != nil {
		return fmt.Errorf("mount a small disk on %s: %w", dir, err)
	}
	return nil
}

func unmount(dir string) error {
	if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
		return fmt.Errorf("unmount the small disk: %w", err)
	}
	return nil
}

// CanMount tells whether this process may mount: whether there can be a small disk.
func CanMount() bool { return os.Geteuid() == 0 }

// FillDisk leaves nothing free on the small disk, and returns what frees it again.
func (w *World) FillDisk() (free func() error, err error) {
	path := filepath.Join(w.DiskDir, "filler")
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("fill the disk: %w", err)
	}
	defer file.Close() //nolint:errcheck // it is removed
	free = func() error { return os.Remove(path) }
	for block := make([]byte, 1<<20); len(block) > 0; {
		switch _, err := file.Write(block); {
		case errors.Is(err, syscall.ENOSPC):
			block = block[:len(block)/2] // to the last byte
		case err != nil:
			return nil, errors.Join(fmt.Errorf("fill the disk: %w", err), free())
		}
	}
	return free, nil
}
