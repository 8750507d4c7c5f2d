package auth

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestSealer(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("k", minEncryptionKey)
	sealer, err := NewSealer(text)
	if err != nil {
		t.Fatal(err)
	}
	secret := []byte("a signing key of 32 bytes, more or less")
	sealed := sealer.seal(secret, "row 1")
	if bytes.Contains(sealed, secret[:8]) || bytes.Equal(sealed, sealer.seal(secret, "row 1")) {
		t.Error("what is sealed shows its inside, or is the same twice")
	}
	again, err := NewSealer(text)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := again.open(sealed, "row 1"); err != nil || !bytes.Equal(got, secret) {
		t.Errorf("opened %q, %v", got, err)
	}
	other, err := NewSealer(text + "k")
	if err != nil {
		t.Fatal(err)
	}
	changed := bytes.Clone(sealed)
	changed[len(changed)/2] ^= 1
	for name, open := range map[string]func() ([]byte, error){
		"another encryption key": func() ([]byte, error) { return other.open(sealed, "row 1") },
		"another row":            func() ([]byte, error) { return sealer.open(sealed, "row 2") },
		"a changed bit":          func() ([]byte, error) { return sealer.open(changed, "row 1") },
		"nothing":                func() ([]byte, error) { return sealer.open(nil, "row 1") },
	} {
		if got, err := open(); !errors.Is(err, errSealed) || got != nil {
			t.Errorf("%s opens it: %q, %v", name, got, err)
		}
	}
	if _, err := NewSealer(text[1:]); err == nil {
		t.Error("a short encryption key is taken")
	}
}
