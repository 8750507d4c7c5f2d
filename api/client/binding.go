package client

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// FromEnvironment finds the configuration where a program runs:
//
//   - THEEYE_INGEST_URL, with THEEYE_API_KEY or the path of a file with it in THEEYE_API_KEY_FILE, and THEEYE_CLIENT_ID
//     if wanted: as `make up` writes them into .local/env;
//   - else SERVICE_BINDING_ROOT, the directory of service bindings (https://servicebinding.io): the one of type theeye.
func FromEnvironment() (Config, error) {
	if url := os.Getenv("THEEYE_INGEST_URL"); url != "" {
		config := Config{URL: url, ClientID: os.Getenv("THEEYE_CLIENT_ID")}
		if path := os.Getenv("THEEYE_API_KEY_FILE"); path != "" {
			config.Key = KeyFile(path)
			return config, nil
		}
		key := os.Getenv("THEEYE_API_KEY")
		if key == "" {
			return Config{}, errors.New("client: THEEYE_INGEST_URL is set, and neither THEEYE_API_KEY nor THEEYE_API_KEY_FILE is")
		}
		config.Key = StaticKey(key)
		return config, nil
	}
	root := os.Getenv("SERVICE_BINDING_ROOT")
	if root == "" {
		return Config{}, errors.New("client: neither THEEYE_INGEST_URL nor SERVICE_BINDING_ROOT is set")
	}
	return fromRoot(root)
}

// fromRoot takes the only binding of type theeye.
func fromRoot(root string) (Config, error) {
	types, err := filepath.Glob(filepath.Join(root, "*", "type"))
	if err != nil {
		return Config{}, fmt.Errorf("client: SERVICE_BINDING_ROOT: %w", err)
	}
	var found []string
	for _, path := range types {
		if kind, err := entry(filepath.Dir(path), "type"); err == nil && strings.EqualFold(kind, "theeye") {
			found = append(found, filepath.Dir(path))
		}
	}
	switch len(found) {
	case 0:
		return Config{}, fmt.Errorf("client: SERVICE_BINDING_ROOT %s has no binding of type theeye", root)
	case 1:
		return FromBinding(found[0])
	}
	return Config{}, fmt.Errorf("client: several bindings are of type theeye: choose one by FromBinding: %s", strings.Join(found, ", "))
}

// FromBinding reads the directory of a service binding, or where an application's Secret is mounted: uri and, if there,
// client-id now; api-key, or client-secret where there is none, again and again, so that a rotation reaches the
// program.
func FromBinding(dir string) (Config, error) {
	uri, err := entry(dir, "uri")
	if err != nil {
		return Config{}, fmt.Errorf("client: read binding: %w", err)
	}
	clientID, err := entry(dir, "client-id")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Config{}, fmt.Errorf("client: read binding: %w", err)
	}
	key := filepath.Join(dir, "api-key")
	if _, err := os.Stat(key); errors.Is(err, fs.ErrNotExist) {
		key = filepath.Join(dir, "client-secret")
	}
	if _, err := os.Stat(key); err != nil {
		return Config{}, fmt.Errorf("client: read binding: it has neither api-key nor client-secret: %w", err)
	}
	return Config{URL: uri, ClientID: clientID, Key: KeyFile(key)}, nil
}

// entry is one entry of a binding. What is empty is an error but for what may be missing.
func entry(dir, name string) (string, error) {
	content, err := os.ReadFile(filepath.Join(dir, name))
	return strings.TrimSpace(string(content)), err
}
