package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/theeye-dev/theeye/hack/chart/e2e/load"
)

// faultRate is the load under which things break, in events a second, each a request of its own.
const faultRate = 300

// killing ends all processes of a component as a crash does.
func killing(component string) func(*suite, context.Context) error {
	return func(s *suite, ctx context.Context) error {
		_, err := s.under(ctx, load.Plan{Run: "kill " + component, Rate: faultRate, Batch: 1}, func(ctx context.Context) error {
			return s.until(ctx, component, s.kill)
		})
		return err
	}
}

// deleting takes all pods of a component away, in the orderly way that an eviction takes, too.
func deleting(component string) func(*suite, context.Context) error {
	return func(s *suite, ctx context.Context) error {
		_, err := s.under(ctx, load.Plan{Run: "delete " + component, Rate: faultRate, Batch: 1}, func(ctx context.Context) error {
			return s.until(ctx, component, func(ctx context.Context, pods []corev1.Pod) error {
				for i := range pods {
					if err := s.cluster.Delete(ctx, &pods[i]); err != nil {
						return fmt.Errorf("delete pod: %w", err)
					}
				}
				return nil
			})
		})
		return err
	}
}

// until does something to all pods of a component and waits until they have come back.
func (s *suite) until(ctx context.Context, component string, happens func(context.Context, []corev1.Pod) error) error {
	pods, err := s.cluster.Pods(ctx, s.options.namespace, s.labels(component))
	if err != nil {
		return err //nolint:wrapcheck // says all
	}
	if len(pods) == 0 {
		return fmt.Errorf("there is no pod of %s", component)
	}
	before, err := s.cluster.Lives(ctx, s.options.namespace, s.labels(component))
	if err != nil {
		return err //nolint:wrapcheck // says all
	}
	begun := time.Now()
	if err := happens(ctx, pods); err != nil {
		return err
	}
	if err := s.cluster.Reborn(ctx, s.options.namespace, s.labels(component), before); err != nil {
		return err //nolint:wrapcheck // says all
	}
	s.say("%d pods were back after %.1fs", len(pods), time.Since(begun).Seconds())
	return nil
}

// kill runs a pod on each node concerned that may end other pods' processes there.
func (s *suite) kill(ctx context.Context, pods []corev1.Pod) error {
	nodes := map[string][]string{}
	for _, pod := range pods {
		nodes[pod.Spec.NodeName] = append(nodes[pod.Spec.NodeName], string(pod.UID))
	}
	for _, node := range slices.Sorted(maps.Keys(nodes)) {
		root, yes := int64(0), true
		killed, err := s.cluster.RunPod(ctx, &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: "kill", Namespace: s.tools()},
			Spec: corev1.PodSpec{
				NodeName: node, HostPID: true, RestartPolicy: corev1.RestartPolicyNever,
				Containers: []corev1.Container{{
					Name: "kill", Image: s.options.app, Args: append([]string{"kill"}, nodes[node]...),
					SecurityContext: &corev1.SecurityContext{RunAsUser: &root, Privileged: &yes},
				}},
			},
		})
		if err != nil {
			return err //nolint:wrapcheck // says all
		}
		s.say("%s", killed)
	}
	return nil
}

// restart rolls all Deployments at once, as kubectl rollout restart does.
func (s *suite) restart(ctx context.Context) error {
	report, err := s.under(ctx, load.Plan{Run: "restart", Rate: faultRate, Batch: 1}, func(ctx context.Context) error {
		var deployments appsv1.DeploymentList
		if err := s.cluster.List(ctx, &deployments, client.InNamespace(s.options.namespace), client.MatchingLabels(s.labels(""))); err != nil {
			return fmt.Errorf("list Deployments: %w", err)
		}
		begun := time.Now()
		var names []string
		for i := range deployments.Items {
			d := &deployments.Items[i]
			before := d.DeepCopy()
			metav1.SetMetaDataAnnotation(&d.Spec.Template.ObjectMeta, "kubectl.kubernetes.io/restartedAt", begun.Format(time.RFC3339))
			if err := s.cluster.Patch(ctx, d, client.MergeFrom(before)); err != nil {
				return fmt.Errorf("restart %s: %w", d.Name, err)
			}
			names = append(names, d.Name)
		}
		if err := s.cluster.Ready(ctx, s.options.namespace, s.labels("")); err != nil {
			return err //nolint:wrapcheck // says all
		}
		s.say("%s were restarted after %.1fs", strings.Join(names, ", "), time.Since(begun).Seconds())
		return s.gone(ctx)
	})
	if err != nil {
		return err
	}
	return errors.Join(s.steady(ctx), connections(report))
}

// gone waits until pods that were replaced have really ended: they serve on for a while.
func (s *suite) gone(ctx context.Context) error {
	pods, err := s.cluster.Pods(ctx, s.options.namespace, s.labels(""))
	if err != nil {
		return err //nolint:wrapcheck // says all
	}
	for i := range pods {
		if pods[i].DeletionTimestamp != nil {
			if err := s.cluster.Gone(ctx, &pods[i]); err != nil {
				return err //nolint:wrapcheck // says all
			}
		}
	}
	return nil
}
