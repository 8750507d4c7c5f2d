package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// signingKeyFile has what auth encrypts the keys with that sign access tokens: they lie in PostgreSQL, and this does not.
func (l *layout) signingKeyFile() string { return l.path("signing-key-encryption") }

// ensureSigningKey makes the file once. What is there is kept: auth could not read its keys with another one.
func (l *layout) ensureSigningKey() error {
	content, err := os.ReadFile(l.signingKeyFile())
	if err == nil && len(content) > 0 {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read signing key: %w", err)
	}
	key, err := newToken()
	if err != nil {
		return fmt.Errorf("make signing key: %w", err)
	}
	part := l.signingKeyFile() + ".part" // a run that is killed leaves a whole key or none
	if err := os.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("write signing key: %w", err)
	}
	if err := os.WriteFile(part, []byte(key+"\n"), 0o600); err != nil {
		return fmt.Errorf("write signing key: %w", err)
	}
	if err := os.Rename(part, l.signingKeyFile()); err != nil {
		return fmt.Errorf("write signing key: %w", err)
	}
	return nil
}

// tokenArgs are auth's: who issues access tokens, and what their keys are encrypted with.
func (l *layout) tokenArgs(e *environment) []string {
	return []string{"--issuer-url=" + e.values[publicKey("auth")], "--signing-key-encryption-file=" + l.signingKeyFile()}
}
