package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	folderMode = 0o755
	fileMode   = 0o644
)

// replaceFolder makes a folder have these files and the Kustomization that lists them. What an earlier run wrote and this
// one does not goes.
func replaceFolder(dir string, files map[string]*bytes.Buffer) error {
	if err := os.MkdirAll(dir, folderMode); err != nil {
		return fmt.Errorf("make the folder: %w", err)
	}
	names := slices.Sorted(maps.Keys(files))
	old, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		return fmt.Errorf("look into the folder: %w", err)
	}
	for _, file := range old {
		if slices.Contains(names, filepath.Base(file)) {
			continue
		}
		if err := os.Remove(file); err != nil {
			return fmt.Errorf("remove what is not written any more: %w", err)
		}
	}
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(dir, name), files[name].Bytes(), fileMode); err != nil {
			return fmt.Errorf("write a manifest: %w", err)
		}
	}
	list := header + "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n  - " + strings.Join(names, "\n  - ") + "\n"
	if err := os.WriteFile(filepath.Join(dir, "Kustomization"), []byte(list), fileMode); err != nil {
		return fmt.Errorf("write the list of manifests: %w", err)
	}
	return nil
}
