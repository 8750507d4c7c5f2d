package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
)

// user is distroless' nonroot, by number: the kubelet checks runAsNonRoot by that, and knows no names.
const user = "65532"

// order says what is to be built.
type order struct {
	root     string
	version  string
	tags     []string
	to       name.Repository
	base     *base
	services []string
}

// build runs ko and returns the images that it pushed.
func build(ctx context.Context, order order) ([]name.Digest, error) {
	epoch, err := git(ctx, order.root, "log", "-1", "--format=%ct")
	if err != nil {
		return nil, err
	}
	revision, err := git(ctx, order.root, "rev-parse", "HEAD")
	if err != nil {
		return nil, err
	}
	args := []string{
		"tool", "-modfile=hack/image/go.mod", "ko", "build", "--base-import-paths",
		"--sbom=spdx", "--image-user=" + user,
		"--platform=" + strings.Join(order.base.platforms, ","), "--tags=" + strings.Join(order.tags, ","),
		"--image-label=org.opencontainers.image.source=https://github.com/theeye-dev/theeye",
		"--image-label=org.opencontainers.image.licenses=Apache-2.0",
		"--image-label=org.opencontainers.image.version=" + order.version,
		"--image-label=org.opencontainers.image.revision=" + revision,
	}
	for _, service := range order.services {
		args = append(args, "./services/cmd/"+service)
	}
	ko := exec.CommandContext(ctx, "go", args...) //nolint:gosec // our own arguments
	ko.Dir = order.root
	// The commit's time stands for the build's: another build of it makes the same images.
	ko.Env = append(os.Environ(), "VERSION="+order.version, "SOURCE_DATE_EPOCH="+epoch,
		"KO_DOCKER_REPO="+order.to.String(), "KO_DEFAULTBASEIMAGE="+order.base.ref.String())
	var pushed, log bytes.Buffer
	ko.Stdout, ko.Stderr = &pushed, &log
	if err := ko.Run(); err != nil {
		return nil, fmt.Errorf("ko: %w\n%s", err, log.String())
	}
	return published(pushed.String(), len(order.services))
}

// published reads ko's output, which names each image with its digest.
func published(output string, expected int) ([]name.Digest, error) {
	var all []name.Digest
	for ref := range strings.FieldsSeq(output) {
		digest, err := name.NewDigest(ref)
		if err != nil {
			return nil, fmt.Errorf("read what ko pushed: %w", err)
		}
		all = append(all, digest)
	}
	if len(all) != expected {
		return nil, fmt.Errorf("ko pushed %d images, not %d", len(all), expected)
	}
	slices.SortFunc(all, func(a, b name.Digest) int { return strings.Compare(a.String(), b.String()) }) // ko's order is that of its builds' ends
	return all, nil
}

// git asks about the tree. A build from an archive of the sources has no repository, and no commit to take the time of.
func git(ctx context.Context, root string, args ...string) (string, error) {
	command := exec.CommandContext(ctx, "git", args...) //nolint:gosec // our own arguments
	command.Dir = root
	output, err := command.Output()
	if err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			err = errors.New(strings.TrimSpace(string(exit.Stderr)))
		}
		return "", fmt.Errorf("git %s: %w", args[0], err)
	}
	return strings.TrimSpace(string(output)), nil
}
