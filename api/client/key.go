package client

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// KeySource answers with the API key, or with an access token. It is asked at the first try, again after a minute, and
// at once when a key was refused: so a rotation needs no restart. It is a function so that printing what holds it shows
// no key.
type KeySource func(ctx context.Context) (string, error)

// StaticKey is a key that never changes.
func StaticKey(key string) KeySource {
	return func(context.Context) (string, error) { return key, nil }
}

// KeyFile reads the key from a file, such as one of a mounted Secret. White space around the key is no part of it.
func KeyFile(path string) KeySource {
	return func(context.Context) (string, error) {
		key, err := os.ReadFile(path)
		return string(key), err
	}
}

// keyAge is how long a key is used before its source is asked again: as long as the kubelet takes to bring a changed
// Secret, and soon enough for an operator to see that the old one is no longer used.
const keyAge = time.Minute

// keyError is a source that has no key.
type keyError struct{ err error }

func (e *keyError) Error() string { return "read key: " + e.err.Error() }
func (e *keyError) Unwrap() error { return e.err }

var (
	errNoKey  = errors.New("it is empty")
	errKeyBad = errors.New("it has characters that no key has")
)

// keys remembers the key, in a function: fmt looks behind pointers, not into those.
type keys struct {
	source  KeySource
	turn    chan struct{} // full while somebody asks the source or reads what is below
	current func() string
	readAt  time.Time
}

func newKeys(source KeySource) *keys {
	return &keys{source: source, turn: make(chan struct{}, 1), current: func() string { return "" }}
}

// get returns the key. One that was refused is never returned from memory; "" refuses none. While the source fails, the
// key before is used.
func (k *keys) get(ctx context.Context, refused string) (string, error) {
	select {
	case k.turn <- struct{}{}:
		defer func() { <-k.turn }()
	case <-ctx.Done():
		return "", fmt.Errorf("wait for the key: %w", context.Cause(ctx))
	}
	current := k.current()
	known := current != "" && current != refused
	if known && time.Since(k.readAt) < keyAge {
		return current, nil
	}
	key, err := k.ask(ctx)
	switch {
	case err == nil:
		k.current, k.readAt = func() string { return key }, time.Now()
		return key, nil
	case known:
		return current, nil
	}
	return "", &keyError{err}
}

func (k *keys) ask(ctx context.Context) (string, error) {
	key, err := k.source(ctx)
	if err != nil {
		return "", err
	}
	key = strings.TrimSpace(key)
	if key == "" {
		return "", errNoKey
	}
	for i := range len(key) {
		if key[i] <= ' ' || key[i] > '~' {
			return "", errKeyBad
		}
	}
	return key, nil
}
