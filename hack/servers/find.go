package servers

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
)

// ErrMissing is wrapped by the error for a server that is not installed; the message says how to install it.
var ErrMissing = errors.New("not installed")

// debianPostgres is where Debian and Ubuntu keep PostgreSQL's binaries, out of PATH: one directory per major version.
const debianPostgres = "/usr/lib/postgresql"

// FindRedis returns the path of redis-server.
func FindRedis() (string, error) {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return "", fmt.Errorf("redis-server is %w; on Debian: apt-get install redis-server", ErrMissing)
	}
	return path, nil
}

// FindPostgres returns the directory with initdb and postgres: that of PATH, or the newest of Debian's.
func FindPostgres() (string, error) { return findPostgres("") }

// findPostgres prefers the major version that a cluster was made with: no other can read its data.
func findPostgres(version string) (string, error) {
	if dir := filepath.Join(debianPostgres, version, "bin"); version != "" && hasInitdb(dir) {
		return dir, nil
	}
	if path, err := exec.LookPath("postgres"); err == nil {
		// A link in /usr/bin leads to the directory that has initdb, too.
		if target, err := filepath.EvalSymlinks(path); err == nil && hasInitdb(filepath.Dir(target)) {
			return filepath.Dir(target), nil
		}
	}
	versions, _ := filepath.Glob(filepath.Join(debianPostgres, "*", "bin"))
	slices.SortFunc(versions, func(a, b string) int { return major(b) - major(a) })
	for _, dir := range versions {
		if hasInitdb(dir) {
			return dir, nil
		}
	}
	return "", fmt.Errorf("PostgreSQL is %w; on Debian: apt-get install postgresql", ErrMissing)
}

func hasInitdb(dir string) bool {
	for _, name := range []string{"initdb", "postgres"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode()&0o111 == 0 {
			return false
		}
	}
	return true
}

func major(bin string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(bin)))
	return n
}
