package build

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Bug is a mistake that is planted into the services to see that it is caught. It is a change of the sources that the
// compiler is handed instead of the real ones (go build -overlay): nothing of it is in what is released, no flag, no tag
// and no dead code.
type Bug struct {
	Name string
	// Why says what is wrong with it.
	Why   string
	Edits []Edit
	// RedisSettings replace the durable ones; the services are then told to take them.
	RedisSettings map[string]string
	// Faults are those that bring it out; the others only take their time.
	Faults string
	// Seeds is within how many it is to be caught.
	Seeds int
}

// Edit replaces a text that a file has exactly once.
type Edit struct{ File, Old, New string }

// Overlay writes the changed sources and the file that names them into a directory, and returns that file's path.
func (b *Bug) Overlay(root, dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // sources are no secret
		return "", fmt.Errorf("plant %s: %w", b.Name, err)
	}
	changed := map[string]string{} // path → text
	for _, e := range b.Edits {
		path := filepath.Join(root, e.File)
		text, ok := changed[path]
		if !ok {
			content, err := os.ReadFile(path)
			if err != nil {
				return "", fmt.Errorf("plant %s: %w", b.Name, err)
			}
			text = string(content)
		}
		if n := strings.Count(text, e.Old); n != 1 {
			return "", fmt.Errorf("plant %s: %s has %d times, not once, what is to be replaced; the bug has to follow the code:\n%s",
				b.Name, e.File, n, e.Old)
		}
		changed[path] = strings.Replace(text, e.Old, e.New, 1)
	}
	return writeOverlay(dir, changed)
}

func writeOverlay(dir string, changed map[string]string) (string, error) {
	replace := map[string]string{}
	for path, text := range changed {
		copied := filepath.Join(dir, strings.ReplaceAll(strings.TrimPrefix(path, "/"), "/", "_"))
		if err := os.WriteFile(copied, []byte(text), 0o600); err != nil {
			return "", fmt.Errorf("write changed source: %w", err)
		}
		replace[path] = copied
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", fmt.Errorf("write overlay: %w", err)
	}
	path := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return "", fmt.Errorf("write overlay: %w", err)
	}
	return path, nil
}
