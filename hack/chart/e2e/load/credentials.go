package load

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// refreshEvery is how often the mounted Secret is looked at: reading three small files costs nothing, and a rotation
// should be taken up well within its overlap.
const refreshEvery = 250 * time.Millisecond

// Credential is what the Secret says.
type Credential struct {
	ClientID string
	Secret   string
	URI      string // where events are posted
	TokenURI string // where access tokens are had; "": a release before them
}

// Credentials is the mounted Secret, with all that it ever said, the oldest first.
type Credentials struct {
	dir string

	mu  sync.Mutex
	all []Credential
}

// OpenCredentials reads the Secret mounted at a directory.
func OpenCredentials(dir string) (*Credentials, error) {
	c := &Credentials{dir: dir}
	return c, c.Refresh()
}

// Refresh reads the Secret again.
func (c *Credentials) Refresh() error {
	// A kubelet swaps the link ..data when all files of the new version are there: followed once, they are of one version.
	dir, err := filepath.EvalSymlinks(filepath.Join(c.dir, "..data"))
	if err != nil {
		dir = c.dir // an ordinary directory
	}
	var read Credential
	if text, err := os.ReadFile(filepath.Join(dir, "token-uri")); err == nil {
		read.TokenURI = strings.TrimSpace(string(text))
	}
	for name, to := range map[string]*string{"client-id": &read.ClientID, "client-secret": &read.Secret, "uri": &read.URI} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return fmt.Errorf("read credentials: %w", err)
		}
		*to = strings.TrimSpace(string(text))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.all) == 0 || c.all[len(c.all)-1] != read {
		c.all = append(c.all, read)
	}
	return nil
}

// Follow refreshes until the context ends. A version that cannot be read, because the next one just takes its place,
// leaves things as they are.
func (c *Credentials) Follow(ctx context.Context) {
	ticker := time.NewTicker(refreshEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			_ = c.Refresh()
		}
	}
}

// Version returns the credential of the nth version, counted from 1, and how many there are; 0 is the newest.
func (c *Credentials) Version(n int) (credential Credential, version, versions int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	versions = len(c.all)
	if n < 1 || n > versions {
		n = versions
	}
	return c.all[n-1], n, versions
}
