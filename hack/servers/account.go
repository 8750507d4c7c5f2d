package servers

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// Account is an OS user that a server runs as.
type Account struct {
	Name     string
	UID, GID int
}

// PostgresAccount returns whom PostgreSQL runs as: nil (the caller) unless that is root, which PostgreSQL refuses;
// then postgres, whom Debian's package makes, or nobody.
func PostgresAccount() (*Account, error) {
	if os.Geteuid() != 0 {
		return nil, nil //nolint:nilnil // nil is the caller's own account
	}
	for _, name := range []string{"postgres", "nobody"} {
		found, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.Atoi(found.Uid)
		gid, err2 := strconv.Atoi(found.Gid)
		if err := errors.Join(err1, err2); err != nil {
			return nil, fmt.Errorf("read user %s: %w", name, err)
		}
		return &Account{Name: name, UID: uid, GID: gid}, nil
	}
	return nil, errors.New("PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody")
}

func (a *Account) credential() *syscall.Credential {
	return &syscall.Credential{Uid: uint32(a.UID), Gid: uint32(a.GID)}
}

// Own gives a file or an empty directory to the account; a nil account owns already.
func (a *Account) Own(path string) error {
	if a == nil {
		return nil
	}
	if err := os.Lchown(path, a.UID, a.GID); err != nil {
		return fmt.Errorf("give away: %w", err)
	}
	return nil
}

// Reaches says whether the account can get to a directory: whether every directory above it and itself lets it pass.
// Directories that do not exist yet don't count; they will be made passable.
func (a *Account) Reaches(dir string) bool {
	if a == nil {
		return true
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return false
	}
	for ; ; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err == nil && !a.passes(info) {
			return false
		}
		if dir == filepath.Dir(dir) {
			return true
		}
	}
}

func (a *Account) passes(info fs.FileInfo) bool {
	owner, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !ok:
		return false
	case int(owner.Uid) == a.UID:
		return info.Mode()&0o100 != 0
	case int(owner.Gid) == a.GID:
		return info.Mode()&0o010 != 0
	default:
		return info.Mode()&0o001 != 0
	}
}
