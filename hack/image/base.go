package main

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

const (
	distroless = "distroless/static-debian12:nonroot"
	publicBase = "gcr.io/" + distroless
)

// wanted are the platforms of the images.
var wanted = []v1.Platform{{OS: "linux", Architecture: "amd64"}, {OS: "linux", Architecture: "arm64"}}

// base is what the images are built on.
type base struct {
	// ref names it by digest, so that all images have the same although its tag may move meanwhile.
	ref name.Digest
	// platforms are those of wanted that it can serve.
	platforms []string
	// notes say what people should know of it.
	notes []string
}

// findBase looks at the image that was asked for; else at distroless' static, in a local registry if it has it.
func findBase(ctx context.Context, asked string, to name.Repository) (*base, error) {
	if asked == "" {
		asked = publicBase
		if there := to.RegistryStr() + "/" + distroless; isLocal(to.Registry) && exists(ctx, there) {
			asked = there
		}
	}
	ref, err := name.ParseReference(asked)
	if err != nil {
		return nil, fmt.Errorf("the base image: %w", err)
	}
	found, err := remote.Get(ref, options(ctx)...)
	if err != nil {
		return nil, fmt.Errorf("get the base image: %w", err)
	}
	on := &base{ref: ref.Context().Digest(found.Digest.String())}
	on.notes = append(on.notes, fmt.Sprintf("on %s (%s)", ref, found.Digest))
	if found.MediaType.IsIndex() {
		return on, on.ofIndex(found)
	}
	return on, on.ofImage(ctx, found, to)
}

// ofIndex is for the usual base: one image for each platform.
func (b *base) ofIndex(found *remote.Descriptor) error {
	index, err := found.ImageIndex()
	if err != nil {
		return fmt.Errorf("read the base image: %w", err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return fmt.Errorf("read the base image: %w", err)
	}
	for _, platform := range wanted {
		has := slices.ContainsFunc(manifest.Manifests, func(of v1.Descriptor) bool {
			return of.Platform != nil && of.Platform.OS == platform.OS && of.Platform.Architecture == platform.Architecture
		})
		b.add(platform, has)
	}
	return b.check()
}

// ofImage is for a base that claims one platform. One without programs serves every platform: its files are the same
// everywhere. ko must then be told so by an index, which is put beside the images, and only into a registry of this machine.
func (b *base) ofImage(ctx context.Context, found *remote.Descriptor, to name.Repository) error {
	image, err := found.Image()
	if err != nil {
		return fmt.Errorf("read the base image: %w", err)
	}
	config, err := image.ConfigFile()
	if err != nil {
		return fmt.Errorf("read the base image: %w", err)
	}
	program, err := firstProgram(image)
	if err != nil {
		return err
	}
	if program == "" && isLocal(to.Registry) {
		b.notes = append(b.notes, fmt.Sprintf("the base claims %s alone, but has no program: its files serve every platform", config.Platform()))
		return b.spread(ctx, image, config, to)
	}
	for _, platform := range wanted {
		b.add(platform, config.OS == platform.OS && config.Architecture == platform.Architecture)
	}
	return b.check()
}

func (b *base) add(platform v1.Platform, has bool) {
	if has {
		b.platforms = append(b.platforms, platform.String())
		return
	}
	b.notes = append(b.notes, fmt.Sprintf("NO IMAGES FOR %s: the base has none", platform))
}

func (b *base) check() error {
	if len(b.platforms) == 0 {
		return fmt.Errorf("the base image %s is for none of %v", b.ref, wanted)
	}
	return nil
}

// spread pushes an index that has the same image for every platform, and takes it for the base.
func (b *base) spread(ctx context.Context, image v1.Image, config *v1.ConfigFile, to name.Repository) error {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, platform := range wanted {
		own := config.DeepCopy()
		own.OS, own.Architecture, own.Variant = platform.OS, platform.Architecture, ""
		one, err := mutate.ConfigFile(image, own)
		if err != nil {
			return fmt.Errorf("make the base for %s: %w", platform, err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: one, Descriptor: v1.Descriptor{Platform: &platform}})
		b.platforms = append(b.platforms, platform.String())
	}
	digest, err := index.Digest()
	if err != nil {
		return fmt.Errorf("make the base: %w", err)
	}
	b.ref = to.Registry.Repo(to.RepositoryStr(), "base").Digest(digest.String())
	if err := remote.WriteIndex(b.ref, index, options(ctx)...); err != nil {
		return fmt.Errorf("push the base: %w", err)
	}
	return nil
}

// firstProgram is the first file of an image that can be executed, or empty.
func firstProgram(image v1.Image) (string, error) {
	files := mutate.Extract(image)
	defer func() { _ = files.Close() }()
	for reader := tar.NewReader(files); ; {
		header, err := reader.Next()
		switch {
		case errors.Is(err, io.EOF):
			return "", nil
		case err != nil:
			return "", fmt.Errorf("read the base image: %w", err)
		case header.Typeflag == tar.TypeReg && header.Mode&0o111 != 0:
			return header.Name, nil
		}
	}
}

func exists(ctx context.Context, image string) bool {
	ref, err := name.ParseReference(image)
	if err != nil {
		return false
	}
	_, err = remote.Head(ref, options(ctx)...)
	return err == nil
}

// options are those of every request: the credentials of docker login.
func options(ctx context.Context) []remote.Option {
	return []remote.Option{remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain)}
}
