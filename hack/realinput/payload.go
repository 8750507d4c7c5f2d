package main

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
)

// The package and the hash that the registry gives for this version of it (dist.integrity).
const (
	packageName      = "@octokit/webhooks-examples"
	packageVersion   = "7.6.1"
	packageFile      = "octokit-webhooks-examples-" + packageVersion + ".tgz" // as npm pack names it
	packageIntegrity = "sha512-De6U3XB6O3DtCa7bKgCMzTHdeopqqZ6SNivMYJnK65ierKL1AnNIA0tkRYCRS7lwGT792d+Ps1WbfHlso6MynQ=="
)

// payload is one recorded webhook.
type payload struct {
	source string // where in the package: api.github.com/push/0
	event  string // push
	data   json.RawMessage
}

// fetch returns the package's tarball from the cache, where npm puts it the first time.
func fetch(ctx context.Context, cache string) (string, error) {
	file := filepath.Join(cache, packageFile)
	if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) {
		if err := os.MkdirAll(cache, 0o755); err != nil { //nolint:gosec // nothing secret in it
			return "", fmt.Errorf("make cache: %w", err)
		}
		pack := exec.CommandContext(ctx, "npm", "pack", "--silent", "--pack-destination", cache, packageName+"@"+packageVersion) //nolint:gosec // fixed names
		if output, err := pack.CombinedOutput(); err != nil {
			return "", fmt.Errorf("npm pack (or give the tarball with -package): %w\n%s", err, output)
		}
	}
	return file, nil
}

// readPackage checks a tarball and returns its payloads, in the package's order.
func readPackage(file string) ([]payload, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read package: %w", err)
	}
	sum := sha512.Sum512(content)
	if got := "sha512-" + base64.StdEncoding.EncodeToString(sum[:]); got != packageIntegrity {
		return nil, fmt.Errorf("%s has hash %s, the registry's is %s", file, got, packageIntegrity)
	}
	unzipped, err := gzip.NewReader(strings.NewReader(string(content)))
	if err != nil {
		return nil, fmt.Errorf("unpack: %w", err)
	}
	var all []payload
	for archive := tar.NewReader(unzipped); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("unpack: %w", err)
		}
		if path.Base(header.Name) != "index.json" {
			continue
		}
		index, err := io.ReadAll(archive)
		if err != nil {
			return nil, fmt.Errorf("unpack %s: %w", header.Name, err)
		}
		some, err := readIndex(path.Base(path.Dir(header.Name)), index)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", header.Name, err)
		}
		all = append(all, some...)
	}
}

// readIndex reads one index.json: a list of webhook events, each with its examples.
func readIndex(folder string, index []byte) ([]payload, error) {
	var webhooks []struct {
		Name     string            `json:"name"`
		Examples []json.RawMessage `json:"examples"`
	}
	if err := json.Unmarshal(index, &webhooks); err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	var all []payload
	for _, w := range webhooks {
		for i, example := range w.Examples {
			all = append(all, payload{source: fmt.Sprintf("%s/%s/%d", folder, w.Name, i), event: w.Name, data: example})
		}
	}
	return all, nil
}
