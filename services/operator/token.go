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
			return "", fmt.Errorf("read token: %w", err)
		}
		if token = strings.TrimSpace(string(content)); token == "" {
			return "", errors.New("the token's file is empty")
		}
		read = now()
		return token, nil
	}
}
