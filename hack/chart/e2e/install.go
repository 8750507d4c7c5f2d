package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/theeye-dev/theeye/api/v1alpha1"
	"github.com/theeye-dev/theeye/hack/chart/e2e/cluster"
	"github.com/theeye-dev/theeye/hack/chart/e2e/load"
)

// hookTimeout bounds what Helm waits for by itself.
const hookTimeout = 2 * time.Minute

// prepare makes sure that the cluster is free for the suite.
func (s *suite) prepare(ctx context.Context) error {
	owner, err := s.cluster.OwnerOfCRD(ctx)
	if err != nil {
		return err //nolint:wrapcheck // says all
	}
	if owner != "" && owner != s.options.namespace+"/"+release {
		return fmt.Errorf("this cluster has TheEye's CustomResourceDefinition already (release %s): the suite needs one without", owner)
	}
	return s.cleanUp(ctx)
}

// cleanUp removes everything that the suite ever makes, whatever state it is in.
func (s *suite) cleanUp(ctx context.Context) error {
	if err := s.helm.Uninstall(time.Minute, false); err != nil {
		s.say("%v; going on without Helm", err)
	}
	if err := s.cluster.RemoveApplications(ctx, s.apps()); err != nil {
		return err //nolint:wrapcheck // says all
	}
	if err := s.cluster.RemoveNamespaces(ctx, s.namespaces()...); err != nil {
		return err //nolint:wrapcheck // says all
	}
	removed, err := s.cluster.RemoveOfRelease(ctx, release, s.options.namespace)
	if err != nil {
		return err //nolint:wrapcheck // says all
	}
	if len(removed) > 0 {
		s.say("removed %s", strings.Join(removed, ", "))
	}
	freed, err := s.cluster.FreeVolumes(ctx, s.namespaces(), s.tools(), s.options.app)
	if freed > 0 {
		s.say("emptied and freed %d volumes", freed)
	}
	return errors.Join(err, s.cluster.RemoveNamespaces(ctx, s.tools()))
}

// restricted is the strictest pod security, of the version the cluster has.
func restricted() map[string]string {
	return map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}
}

// install installs the chart as a newcomer does, into a namespace that lets no pod in which may do more than it must.
func (s *suite) install(ctx context.Context) error {
	if err := s.cluster.EnsureNamespace(ctx, s.options.namespace, restricted()); err != nil {
		return err //nolint:wrapcheck // says all
	}
	if err := s.cluster.EnsureNamespace(ctx, s.tools(), nil); err != nil {
		return err //nolint:wrapcheck // says all
	}
	took, err := s.installed(ctx, s.options.chart)
	if err != nil {
		return err
	}
	s.figures.ready = took
	s.say("all pods Ready %.1fs after helm install", took.Seconds())
	return nil
}

// installed installs a package and waits until all is Ready: how long that took.
func (s *suite) installed(ctx context.Context, file string) (time.Duration, error) {
	begun := time.Now()
	notes, err := s.helm.Install(ctx, file, hookTimeout)
	if err != nil {
		return 0, err //nolint:wrapcheck // says all
	}
	s.notes = notes
	s.say("helm install returned after %.1fs", time.Since(begun).Seconds())
	if err := s.cluster.Ready(ctx, s.options.namespace, s.labels("")); err != nil {
		return 0, err //nolint:wrapcheck // says all
	}
	took := time.Since(begun)
	return took, s.steady(ctx)
}

// steady fails when a container has ended and was started again: what waits for others does so without dying.
func (s *suite) steady(ctx context.Context) error {
	pods, err := s.cluster.Pods(ctx, s.options.namespace, s.labels(""))
	if err != nil {
		return err //nolint:wrapcheck // says all
	}
	for _, pod := range pods {
		if n := cluster.Restarts(pod); n > 0 {
			return fmt.Errorf("%s was restarted %d times", pod.Name, n)
		}
	}
	return nil
}

func (s *suite) readPasswords(ctx context.Context) (*corev1.Secret, error) {
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: release + "-passwords", Namespace: s.options.namespace}}
	if err := s.cluster.Get(ctx, client.ObjectKeyFromObject(secret), secret); err != nil {
		return nil, fmt.Errorf("get passwords: %w", err)
	}
	return secret, nil
}

func (s *suite) test(context.Context) error {
	printed, err := s.helm.Test(hookTimeout)
	for line := range strings.Lines(printed) {
		s.say("%s", strings.TrimSpace(line))
	}
	return err //nolint:wrapcheck // says all
}

// overlap of a rotation: long enough for the kubelet to bring the new Secret to the pod and to use both, short enough to
// wait for its end.
const overlap = 20 * time.Second

func (s *suite) firstEvents(ctx context.Context) error {
	if err := s.cluster.EnsureNamespace(ctx, s.apps(), restricted()); err != nil {
		return err //nolint:wrapcheck // says all
	}
	begun := time.Now()
	spec := v1alpha1.ApplicationSpec{
		DisplayName: "Web shop",
		Credentials: &v1alpha1.Credentials{Rotation: &v1alpha1.Rotation{Overlap: &metav1.Duration{Duration: overlap}}},
		EventTypes:  []v1alpha1.EventType{{Category: "order", Name: "placed"}},
	}
	if err := s.shop.apply(ctx, spec); err != nil {
		return err
	}
	s.say("the Application and its app were ready after %.1fs", time.Since(begun).Seconds())
	report, err := s.under(ctx, load.Plan{Run: "first", Rate: 50, Batch: 1}, nil)
	if err != nil {
		return err
	}
	if report.Statuses["202"] != report.Requests {
		return fmt.Errorf("not every answer was 202: %s", counts(report.Progress))
	}
	return nil
}

// diagnose writes down what explains a failure.
func (s *suite) diagnose(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	for _, namespace := range s.namespaces() {
		for _, trouble := range s.cluster.Troubles(ctx, namespace) {
			s.say("%s: %s", namespace, trouble)
		}
	}
	dir := filepath.Join(s.options.artifacts, "diagnostics")
	if err := s.cluster.Diagnose(ctx, dir, s.namespaces()); err != nil {
		s.say("some of the diagnostics are missing: %v", err)
	}
	s.say("events, pods and logs are in %s", dir)
}
