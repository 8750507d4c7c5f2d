package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/google/go-containerregistry/pkg/logs"
)

// localRegistry is where kind and local clusters have their registry by convention; what listens there is ours to fill.
const localRegistry = "127.0.0.1:5001"

// services are the images, each named as its folder in services/cmd.
var services = []string{"ingest", "auth", "persistence", "operator"}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	logs.Warn.SetOutput(os.Stderr)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	fs := flag.NewFlagSet("image", flag.ContinueOnError)
	root := fs.String("root", "../..", "`directory` of the repository")
	version := fs.String("version", "", "`version` stamped into the binaries, and the images' tag")
	registry := fs.String("registry", os.Getenv("KO_DOCKER_REPO"),
		"`repository` below which the images go (KO_DOCKER_REPO); default: "+localRegistry+"/theeye-dev/theeye when a registry listens there")
	base := fs.String("base", os.Getenv("KO_DEFAULTBASEIMAGE"),
		"`image` to build on (KO_DEFAULTBASEIMAGE); default: distroless' static, from the local registry when it has it")
	onlyBase := fs.Bool("base-only", false, "print the base by digest, and build nothing")
	if err := fs.Parse(args); err != nil {
		return err //nolint:wrapcheck // printed by the flag package already
	}
	to, err := destination(ctx, *registry, localRegistry)
	if err != nil {
		return err
	}
	on, err := findBase(ctx, *base, to)
	if err != nil {
		return err
	}
	if *onlyBase {
		_, err := fmt.Fprintln(out, on.ref)
		return err //nolint:wrapcheck // of the terminal
	}
	tags, err := tags(*root, *version, to)
	if err != nil {
		return err
	}
	for _, note := range on.notes {
		fmt.Fprintln(out, "image:", note)
	}
	images, err := build(ctx, order{root: *root, version: *version, tags: tags, to: to, base: on, services: services})
	if err != nil {
		return err
	}
	return report(ctx, out, images)
}
