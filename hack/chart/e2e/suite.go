package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/theeye-dev/theeye/hack/chart/e2e/cluster"
	"github.com/theeye-dev/theeye/hack/chart/e2e/helm"
)

// release is the Helm release's name, as the README has it.
const release = "theeye"

// suite is what the steps of the story share.
type suite struct {
	options options
	out     io.Writer
	begun   time.Time
	cluster *cluster.Cluster
	helm    *helm.Client
	shop    *app // the client app whose events are counted through the whole story
	figures figures

	clientID  string         // of shop's Application, before the release was taken away
	passwords *corev1.Secret // as the first install made them
	notes     string         // what Helm printed at the install
}

// step is one chapter: it prints what happens, and ends within its bound.
type step struct {
	name  string
	bound time.Duration
	do    func(*suite, context.Context) error
}

func newSuite(o options, out io.Writer) (*suite, error) {
	c, err := cluster.Connect(o.kubeconfig)
	if err != nil {
		return nil, err //nolint:wrapcheck // says all
	}
	h, err := helm.New(o.kubeconfig, o.namespace, release)
	if err != nil {
		return nil, err //nolint:wrapcheck // says all
	}
	if o.registry != "" {
		h.Values = map[string]any{"image": map[string]any{"registry": o.registry, "repository": o.repository}}
	}
	s := &suite{options: o, out: out, begun: time.Now(), cluster: c, helm: h, figures: newFigures()}
	s.shop = s.newApp("web-shop")
	return s, nil
}

// Its namespaces: the apps' enforces the strictest pod security; in that for tools the suite runs pods that may do more.
func (s *suite) apps() string  { return s.options.namespace + "-apps" }
func (s *suite) tools() string { return s.options.namespace + "-tools" }
func (s *suite) namespaces() []string {
	return []string{s.options.namespace, s.apps(), s.tools()}
}

// labels select the pods of a component, or of the whole release.
func (s *suite) labels(component string) map[string]string {
	labels := map[string]string{"app.kubernetes.io/instance": release, "app.kubernetes.io/name": "theeye"}
	if component != "" {
		labels["app.kubernetes.io/component"] = component
	}
	return labels
}

// say prints a line of progress with the time since the start.
func (s *suite) say(format string, args ...any) {
	fmt.Fprintf(s.out, "%6.1fs    %s\n", time.Since(s.begun).Seconds(), fmt.Sprintf(format, args...))
}

// tell goes through steps until one fails.
func (s *suite) tell(ctx context.Context, steps []step) error {
	for _, step := range steps {
		fmt.Fprintf(s.out, "%6.1fs  %s\n", time.Since(s.begun).Seconds(), step.name)
		begun := time.Now()
		bounded, cancel := context.WithTimeout(ctx, step.bound)
		err := step.do(s, bounded)
		cancel()
		took := time.Since(begun)
		s.figures.step(step.name, took)
		if err != nil {
			fmt.Fprintf(s.out, "%6.1fs  FAILED after %.1fs: %v\n", time.Since(s.begun).Seconds(), took.Seconds(), err)
			return fmt.Errorf("%s: %w", step.name, err)
		}
		fmt.Fprintf(s.out, "%6.1fs  done in %.1fs\n", time.Since(s.begun).Seconds(), took.Seconds())
	}
	return nil
}

// chosen keeps the steps that were asked for; what they build on has to be there, from a run that kept it.
func (s *suite) chosen(steps []step) []step {
	if s.options.only == "" {
		return steps
	}
	words := strings.Split(s.options.only, ",")
	return slices.DeleteFunc(steps, func(candidate step) bool {
		return !slices.ContainsFunc(words, func(word string) bool { return strings.Contains(candidate.name, word) })
	})
}
