// Command e2e is the end-to-end suite: TheEye's whole life on a real cluster, from nothing to nothing. It installs the
// packaged chart with no values, lets a client app in another namespace post events while credentials rotate, pods die,
// and everything is restarted, upgraded, uninstalled and installed again, and counts what comes back: nothing may be
// lost or be there twice. make e2e makes what it needs and runs it.
//
// It needs a cluster without TheEye (the CustomResourceDefinition is one for the whole cluster) on which it may do
// anything; it works in namespaces of its own, and leaves nothing behind, nor does a run after one that was cut off.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
)

// options are the flags.
type options struct {
	kubeconfig string
	namespace  string // of the release; the others' names begin with it
	chart      string // package to test
	from       string // package of the preceding release
	app        string // image of the client app
	registry   string // values image.registry and image.repository, when the chart's own names cannot be pulled
	repository string
	artifacts  string
	only       string
	keep       bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	klog.SetLogger(logr.Discard()) // client libraries tell on standard error of every watch that ends
	err := run(ctx, os.Args[1:])
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "e2e:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	o, err := parseOptions(args)
	if err != nil {
		return err
	}
	s, err := newSuite(o, os.Stdout)
	if err != nil {
		return err
	}
	begun := time.Now()
	err = s.tell(ctx, s.story())
	if err != nil {
		s.diagnose(ctx)
	}
	if !o.keep {
		err = errors.Join(err, s.tell(context.WithoutCancel(ctx), []step{{"leave nothing behind", 3 * time.Minute, (*suite).cleanUp}}))
	}
	if text := s.report(); text != "" {
		const readable = 0o644
		fmt.Printf("\n%s\n", text)
		err = errors.Join(err, os.WriteFile(filepath.Join(o.artifacts, "report.md"), []byte(text), readable))
	}
	if err == nil {
		fmt.Printf("passed in %s\n", time.Since(begun).Round(time.Second))
	}
	return err
}

func parseOptions(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("e2e", flag.ContinueOnError)
	flags.StringVar(&o.kubeconfig, "kubeconfig", "", "file that names the cluster; default: as kubectl does")
	flags.StringVar(&o.namespace, "namespace", "theeye-e2e", "namespace of the release; others begin with this name")
	flags.StringVar(&o.chart, "chart", "", "package of the chart to test, from make chart")
	flags.StringVar(&o.from, "from", "", "package of the preceding release's chart, to upgrade from; without it that part is left out")
	flags.StringVar(&o.app, "app", "", "image of the client app")
	flags.StringVar(&o.registry, "registry", "", "where the cluster finds the images, if not at the chart's own ghcr.io")
	flags.StringVar(&o.repository, "repository", "", "path of the images there")
	flags.StringVar(&o.artifacts, "artifacts", filepath.Join(os.TempDir(), "theeye-e2e"), "directory for the report and for what explains a failure")
	flags.StringVar(&o.only, "only", "", "for work on the suite: run the steps whose names contain one of these words, with commas between")
	flags.BoolVar(&o.keep, "keep", false, "leave everything as it is at the end, to look at it")
	if err := flags.Parse(args); err != nil {
		return o, err //nolint:wrapcheck // printed with the usage already
	}
	if o.chart == "" || o.app == "" {
		return o, errors.New("-chart and -app are required: make e2e gives them")
	}
	const accessible = 0o755
	return o, os.MkdirAll(o.artifacts, accessible) //nolint:wrapcheck // says all
}
