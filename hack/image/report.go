package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// report prints what was pushed: each image, and the compressed size of what a node pulls for each platform.
func report(ctx context.Context, out io.Writer, images []name.Digest) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, image := range images {
		platforms, err := sizes(ctx, image)
		if err != nil {
			return fmt.Errorf("look at %s: %w", image, err)
		}
		fmt.Fprint(table, image)
		for _, one := range platforms {
			fmt.Fprintf(table, "\t%s %.1f MiB", one.platform, float64(one.bytes)/(1<<20))
		}
		fmt.Fprintln(table)
	}
	return table.Flush() //nolint:wrapcheck // of the terminal
}

type size struct {
	platform string
	bytes    int64
}

func sizes(ctx context.Context, image name.Digest) ([]size, error) {
	found, err := remote.Get(image, options(ctx)...)
	if err != nil {
		return nil, err //nolint:wrapcheck // report does
	}
	if !found.MediaType.IsIndex() {
		one, err := found.Image()
		if err != nil {
			return nil, err //nolint:wrapcheck // report does
		}
		return sizesOf(one)
	}
	index, err := found.ImageIndex()
	if err != nil {
		return nil, err //nolint:wrapcheck // report does
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, err //nolint:wrapcheck // report does
	}
	var all []size
	for _, part := range manifest.Manifests {
		one, err := index.Image(part.Digest)
		if err != nil {
			return nil, err //nolint:wrapcheck // report does
		}
		own, err := sizesOf(one)
		if err != nil {
			return nil, err
		}
		all = append(all, own...)
	}
	return all, nil
}

func sizesOf(image v1.Image) ([]size, error) {
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err //nolint:wrapcheck // report does
	}
	manifest, err := image.Manifest()
	if err != nil {
		return nil, err //nolint:wrapcheck // report does
	}
	total := manifest.Config.Size
	for _, layer := range manifest.Layers {
		total += layer.Size
	}
	return []size{{platform: config.Platform().String(), bytes: total}}, nil
}
