package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// path is what all image names have in common, in every registry: the chart's image.repository.
const path = "theeye-dev/theeye"

var errNowhere = errors.New(`no registry: nothing listens at ` + localRegistry + `, where kind and local clusters have theirs.
Say where the images go, for example to your own place or to a release's:
  make image REGISTRY=registry.example.com/team/theeye
  make image REGISTRY=ghcr.io/theeye-dev/theeye`)

// destination is the repository below which the images go: the one that was asked for, or the local registry's. A public
// one is never the default: nobody should publish by accident.
func destination(ctx context.Context, asked, local string) (name.Repository, error) {
	if asked == "" {
		registry, err := name.NewRegistry(local)
		if err != nil {
			return name.Repository{}, fmt.Errorf("name the local registry: %w", err)
		}
		if _, err := transport.Ping(ctx, registry, http.DefaultTransport); err != nil {
			return name.Repository{}, errNowhere
		}
		asked = local + "/" + path
	}
	to, err := name.NewRepository(asked)
	if err != nil {
		return name.Repository{}, fmt.Errorf("the registry: %w", err)
	}
	return to, nil
}

// isLocal tells a registry that only this machine sees.
func isLocal(registry name.Registry) bool {
	host, _, err := net.SplitHostPort(registry.RegistryStr())
	if err != nil {
		host = registry.RegistryStr()
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

var (
	tagForm    = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`)
	appVersion = regexp.MustCompile(`(?m)^appVersion: *"?([^"\s]+)"?\s*$`)
)

// tags are the version and, in a local registry, what the chart in this tree asks for, so that it installs from the
// folder. Elsewhere that tag belongs to a release.
func tags(root, version string, to name.Repository) ([]string, error) {
	if !tagForm.MatchString(version) {
		return nil, fmt.Errorf("the version %q cannot be a tag", version)
	}
	all := []string{version}
	if !isLocal(to.Registry) {
		return all, nil
	}
	chart, err := os.ReadFile(filepath.Join(root, "charts/theeye/Chart.yaml"))
	if err != nil {
		return nil, fmt.Errorf("read the chart's version: %w", err)
	}
	found := appVersion.FindSubmatch(chart)
	if found == nil {
		return nil, errors.New("charts/theeye/Chart.yaml has no appVersion")
	}
	if tag := string(found[1]); tag != version {
		all = append(all, tag)
	}
	return all, nil
}
