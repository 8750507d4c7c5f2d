package main

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

func appVersionOf(t *testing.T) string {
	t.Helper()
	chart, err := os.ReadFile(filepath.Join(root, "charts/theeye/Chart.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	found := appVersion.FindSubmatch(chart)
	if found == nil {
		t.Fatal("the chart has no appVersion")
	}
	return string(found[1])
}

// TestImages builds the smallest service twice, as make image does, on a base whose user is root: what ko makes of it has
// to be what the README promises, on both platforms.
func TestImages(t *testing.T) {
	t.Parallel()
	to := repository(t, local(t)+"/a/b")
	on, err := findBase(t.Context(), push(t, to.String()+":base", image(t, "amd64", 0o644)), to)
	if err != nil {
		t.Fatal(err)
	}
	const version = "v1.2.3-test"
	work := order{root: root, version: version, tags: []string{version, "second"}, to: to, base: on, services: []string{"ingest"}}
	first, err := build(t.Context(), work)
	if err != nil {
		t.Fatal(err)
	}
	again, err := build(t.Context(), work)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(names(first), names(again)); diff != "" {
		t.Errorf("a second build of the same makes other images: %s", diff)
	}
	for _, tag := range work.tags {
		got, err := remote.Head(to.Registry.Repo(to.RepositoryStr(), "ingest").Tag(tag))
		if err != nil || got.Digest.String() != first[0].DigestStr() {
			t.Errorf("the tag %s is of %v (%v), not of %s", tag, got, err, first[0])
		}
	}
	built, err := remote.Index(first[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, platform := range wanted {
		t.Run(platform.String(), func(t *testing.T) { checkImage(t, first[0].Context(), built, platform, version) })
	}
}

func names(images []name.Digest) []string {
	var all []string
	for _, image := range images {
		all = append(all, image.String())
	}
	return all
}

func checkImage(t *testing.T, in name.Repository, built v1.ImageIndex, platform v1.Platform, version string) {
	t.Helper()
	image, digest := ofPlatform(t, built, platform)
	config := configOf(t, image)
	if config.Config.User != user {
		t.Errorf("it runs as %q", config.Config.User)
	}
	commit, err := git(t.Context(), root, "log", "-1", "--format=%ct")
	if err != nil {
		t.Fatal(err)
	}
	if got := strconv.FormatInt(config.Created.Unix(), 10); got != commit {
		t.Errorf("it says that it was made at %s, not at its commit's time %s", got, commit)
	}
	if got := config.Config.Labels["org.opencontainers.image.version"]; got != version {
		t.Errorf("its label says version %q", got)
	}
	if _, err := remote.Head(in.Tag(strings.Replace(digest.String(), ":", "-", 1) + ".sbom")); err != nil {
		t.Errorf("it has no SBOM: %v", err)
	}
	binary := program(t, image)
	checkStatic(t, binary, platform)
	checkReproducible(t, binary)
	if platform.OS == runtime.GOOS && platform.Architecture == runtime.GOARCH {
		checkVersion(t, binary, version)
	}
}

func ofPlatform(t *testing.T, built v1.ImageIndex, platform v1.Platform) (v1.Image, v1.Hash) {
	t.Helper()
	manifest, err := built.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range manifest.Manifests {
		if part.Platform == nil || !part.Platform.Equals(platform) {
			continue
		}
		image, err := built.Image(part.Digest)
		if err != nil {
			t.Fatal(err)
		}
		return image, part.Digest
	}
	t.Fatalf("there is no image for %s", platform)
	return nil, v1.Hash{}
}

// program takes what an image starts out of it.
func program(t *testing.T, image v1.Image) []byte {
	t.Helper()
	entry := configOf(t, image).Config.Entrypoint
	files := mutate.Extract(image)
	defer func() { _ = files.Close() }()
	for reader := tar.NewReader(files); ; {
		header, err := reader.Next()
		if err != nil {
			t.Fatalf("%q is not in the image: %v", entry, err)
		}
		if "/"+strings.TrimPrefix(header.Name, "/") != strings.Join(entry, " ") {
			continue
		}
		content, err := io.ReadAll(reader)
		if err != nil {
			t.Fatal(err)
		}
		return content
	}
}

func checkStatic(t *testing.T, binary []byte, platform v1.Platform) {
	t.Helper()
	file, err := elf.NewFile(bytes.NewReader(binary))
	if err != nil {
		t.Fatal(err)
	}
	machine := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}[platform.Architecture]
	if file.Machine != machine {
		t.Errorf("it is a program for %s", file.Machine)
	}
	for _, part := range file.Progs {
		if part.Type == elf.PT_INTERP || part.Type == elf.PT_DYNAMIC {
			t.Errorf("it is linked dynamically: it has a %s", part.Type)
		}
	}
	if file.Section(".symtab") != nil {
		t.Error("it has symbols, which nobody needs")
	}
}

// checkReproducible looks for what another machine would put in differently.
func checkReproducible(t *testing.T, binary []byte) {
	t.Helper()
	here, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	goroot, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, trace := range []string{here, strings.TrimSpace(string(goroot)) + "/src", "vcs.revision", "vcs.modified"} {
		if bytes.Contains(binary, []byte(trace)) {
			t.Errorf("it has %q in it", trace)
		}
	}
}

func checkVersion(t *testing.T, binary []byte, version string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(file, binary, 0o700); err != nil {
		t.Fatal(err)
	}
	said, err := exec.CommandContext(t.Context(), file, "--version").CombinedOutput()
	if err != nil || !strings.Contains(string(said), version) {
		t.Errorf("--version says %q (%v)", said, err)
	}
}
