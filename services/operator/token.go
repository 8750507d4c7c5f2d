package operator

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"
)

// tokenAge is how long a token that was read from a file is used: the kubelet replaces projected tokens when a fifth of
// their life is left, which is minutes.
const tokenAge = time.Minute

// errToken says that it is the operator's own token that cannot be read; the service was not asked.
var errToken = errors.New("the operator's token cannot be read")

// TokenFile returns a source of the token in a file.
func TokenFile(path string, now func() time.Time) func() (string, error) {
	var (
		mu    sync.Mutex
		token string
		read  time.Time
	)
	return func() (string, error) {
		mu.Lock()
		defer mu.Unlock()
		if token != "" && now().Sub(read) < tokenAge {
			return token, nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return "", fmt.Errorf("%w: %w", errToken, err)
		}
		text := strings.TrimSpace(string(content))
		if text == "" {
			return "", fmt.Errorf("%w: its file is empty", errToken)
		}
		if strings.ContainsFunc(text, func(c rune) bool { return c <= ' ' || c > '~' }) { // no header could have it
			return "", fmt.Errorf("%w: its file has more than one, or something else", errToken)
		}
		token, read = text, now()
		return token, nil
	}
}
