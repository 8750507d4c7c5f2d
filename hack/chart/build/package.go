package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/chart/v2/lint/support"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"
)

// pack lints the chart and packs it with the version's images. The chart's own version says the same, so that no two
// packages of different contents have one name.
func pack(root, version string, out io.Writer) (string, error) {
	chart := filepath.Join(root, "charts/theeye")
	if err := lint(chart, out); err != nil {
		return "", err
	}
	metadata, err := chartutil.LoadChartfile(filepath.Join(chart, "Chart.yaml"))
	if err != nil {
		return "", fmt.Errorf("read the chart: %w", err)
	}
	chart, err = versioned(chart, version)
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(filepath.Dir(chart)) }()
	packer := action.NewPackage()
	packer.Destination, err = filepath.Abs(filepath.Join(root, ".local/chart"))
	if err != nil {
		return "", fmt.Errorf("find the way to the package: %w", err)
	}
	packer.AppVersion, packer.Version = version, chartVersion(metadata.Version, version)
	if when, err := commitTime(root); err == nil {
		packer.SourceDateEpoch = &when // the same commit gives the same bytes
	}
	file, err := packer.Run(chart, nil)
	if err != nil {
		return "", fmt.Errorf("pack the chart: %w", err)
	}
	return file, nil
}

// versioned copies the chart to a folder of its own, where the images that Chart.yaml tells of are those of the version.
func versioned(chart, version string) (string, error) {
	dir, err := os.MkdirTemp("", "theeye-chart-")
	if err != nil {
		return "", fmt.Errorf("make a folder for the chart: %w", err)
	}
	copied := filepath.Join(dir, filepath.Base(chart))
	if err := os.CopyFS(copied, os.DirFS(chart)); err != nil {
		return "", fmt.Errorf("copy the chart: %w", err)
	}
	file := filepath.Join(copied, "Chart.yaml")
	content, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("read the copied chart: %w", err)
	}
	content = image.ReplaceAll(content, []byte("${1}:"+version+"\n"))
	if err := os.WriteFile(file, content, fileMode); err != nil {
		return "", fmt.Errorf("write the copied chart: %w", err)
	}
	return copied, nil
}

// lint takes warnings for errors.
func lint(chart string, out io.Writer) error {
	linter := action.NewLint()
	linter.Strict = true
	result := linter.Run([]string{chart}, nil)
	for _, message := range result.Messages {
		if message.Severity > support.InfoSev {
			fmt.Fprintln(out, message)
		}
	}
	if len(result.Errors) > 0 {
		return fmt.Errorf("lint the chart: %w", result.Errors[0])
	}
	return nil
}

var (
	release   = regexp.MustCompile(`^v?([0-9]+\.[0-9]+\.[0-9]+)$`)
	forbidden = regexp.MustCompile(`[^0-9A-Za-z]+`)
	image     = regexp.MustCompile(`(?m)(image: ghcr\.io/theeye-dev/theeye/[a-z]+):\S+\n`)
	number    = regexp.MustCompile(`^0[0-9]+$`)
)

// chartVersion is a released version's own number; else the tree's with the version behind it as a pre-release, in what
// semantic versions allow there: letters, digits and hyphens, and no number with a leading zero.
func chartVersion(tree, version string) string {
	if found := release.FindStringSubmatch(version); found != nil {
		return found[1]
	}
	suffix := strings.Trim(forbidden.ReplaceAllString(version, "-"), "-")
	if number.MatchString(suffix) {
		suffix = "g" + suffix // as git describe writes abbreviated commits
	}
	if suffix == "" {
		return tree
	}
	return tree + "-" + suffix
}

func commitTime(root string) (time.Time, error) {
	command := exec.Command("git", "log", "-1", "--format=%ct")
	command.Dir = root
	output, err := command.Output()
	if err != nil {
		return time.Time{}, fmt.Errorf("ask git for the commit's time: %w", err)
	}
	seconds, err := strconv.ParseInt(strings.TrimSpace(string(output)), 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("read the commit's time: %w", err)
	}
	return time.Unix(seconds, 0).UTC(), nil
}
