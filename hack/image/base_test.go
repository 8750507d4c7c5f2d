package main

import (
	"archive/tar"
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// image makes one of a platform with one file.
func image(t *testing.T, architecture string, mode int64) v1.Image {
	t.Helper()
	var content bytes.Buffer
	writer := tar.NewWriter(&content)
	if err := writer.WriteHeader(&tar.Header{Name: "etc/file", Typeflag: tar.TypeReg, Mode: mode}); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content.Bytes())), nil })
	if err != nil {
		t.Fatal(err)
	}
	made, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		t.Fatal(err)
	}
	made, err = mutate.ConfigFile(made, &v1.ConfigFile{
		OS: "linux", Architecture: architecture, RootFS: configOf(t, made).RootFS, Config: v1.Config{User: "0"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func configOf(t *testing.T, image v1.Image) *v1.ConfigFile {
	t.Helper()
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	return config
}

// push puts an image or an index into a registry.
func push(t *testing.T, ref string, what remote.Taggable) string {
	t.Helper()
	parsed, err := name.ParseReference(ref)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Push(parsed, what); err != nil {
		t.Fatal(err)
	}
	return ref
}

func index(t *testing.T, architectures ...string) v1.ImageIndex {
	t.Helper()
	all := v1.ImageIndex(empty.Index)
	for _, architecture := range architectures {
		all = mutate.AppendManifests(all, mutate.IndexAddendum{
			Add: image(t, architecture, 0o755), Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: architecture}},
		})
	}
	return all
}

func TestPlatformsAreThoseOfTheBase(t *testing.T) {
	t.Parallel()
	here := local(t)
	for _, c := range []struct {
		name, to string
		base     remote.Taggable
		want     []string
		note     string
	}{
		{"both", here, index(t, "s390x", "amd64", "arm64"), []string{"linux/amd64", "linux/arm64"}, ""},
		{"one-of-two", here, index(t, "arm64"), []string{"linux/arm64"}, "NO IMAGES FOR linux/amd64"},
		{"neither", here, index(t, "s390x"), nil, ""},
		{"files-only", here, image(t, "amd64", 0o644), []string{"linux/amd64", "linux/arm64"}, "has no program"},
		{"a-program", here, image(t, "amd64", 0o755), []string{"linux/amd64"}, "NO IMAGES FOR linux/arm64"},
		{"files-only-far-away", "registry.example.com", image(t, "amd64", 0o644), []string{"linux/amd64"}, "NO IMAGES FOR linux/arm64"},
	} {
		ref := push(t, here+"/bases:"+c.name, c.base)
		on, err := findBase(t.Context(), ref, repository(t, c.to+"/a/b"))
		if (err == nil) != (c.want != nil) {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if c.want == nil {
			continue
		}
		if diff := cmp.Diff(c.want, on.platforms); diff != "" {
			t.Errorf("%s: platforms (-want +got)\n%s", c.name, diff)
		}
		if notes := strings.Join(on.notes, "\n"); !strings.Contains(notes, c.note) || c.note == "" && strings.Contains(notes, "NO IMAGES") {
			t.Errorf("%s: the notes are %q, without %q", c.name, notes, c.note)
		}
	}
}

func TestSpreadBaseIsThereForEveryPlatform(t *testing.T) {
	t.Parallel()
	here := local(t)
	ref := push(t, here+"/distroless/static-debian12:nonroot", image(t, "amd64", 0o644))
	on, err := findBase(t.Context(), "", repository(t, here+"/a/b")) // the local one, since it is there
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(strings.Join(on.notes, "\n"), ref) {
		t.Errorf("%s is not the base: %q", ref, on.notes)
	}
	got, err := remote.Index(on.ref)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := got.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	var platforms []string
	for _, part := range manifest.Manifests {
		one, err := got.Image(part.Digest)
		if err != nil {
			t.Fatal(err)
		}
		if own := configOf(t, one).Platform().String(); own != part.Platform.String() {
			t.Errorf("the image of %s says that it is of %s", part.Platform, own)
		}
		platforms = append(platforms, part.Platform.String())
	}
	if diff := cmp.Diff([]string{"linux/amd64", "linux/arm64"}, platforms); diff != "" {
		t.Error(diff)
	}
}
