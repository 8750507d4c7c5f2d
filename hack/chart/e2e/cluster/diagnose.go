package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/theeye-dev/theeye/api/v1alpha1"
)

// Diagnose writes what explains a failure into a directory: for each namespace its events, pods and Applications, and
// the logs of all containers, of the life before, too. No Secret is read.
func (c *Cluster) Diagnose(ctx context.Context, dir string, namespaces []string) error {
	const readable, accessible = 0o644, 0o755
	if err := os.MkdirAll(dir, accessible); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	var failed []error
	for _, namespace := range namespaces {
		texts, err := c.describe(ctx, namespace)
		failed = append(failed, err)
		for name, text := range texts {
			failed = append(failed, os.WriteFile(filepath.Join(dir, namespace+"."+name), text, readable))
		}
	}
	return errors.Join(failed...)
}

func (c *Cluster) describe(ctx context.Context, namespace string) (map[string][]byte, error) {
	var events corev1.EventList
	var pods corev1.PodList
	var failed []error
	for _, list := range []client.ObjectList{&events, &pods} {
		failed = append(failed, c.List(ctx, list, client.InNamespace(namespace)))
	}
	texts := map[string][]byte{}
	var applications v1alpha1.ApplicationList
	if err := c.List(ctx, &applications, client.InNamespace(namespace)); err == nil { // without the CRD there are none
		texts["applications.yaml"], _ = yaml.Marshal(applications.Items)
	}
	var lines strings.Builder
	for _, e := range events.Items {
		fmt.Fprintf(&lines, "%s %s %s/%s: %s (%d times)\n", e.LastTimestamp.UTC().Format(time.RFC3339), e.Reason,
			e.InvolvedObject.Kind, e.InvolvedObject.Name, e.Message, e.Count)
	}
	texts["events.txt"] = []byte(lines.String())
	for _, pod := range pods.Items {
		pod.ManagedFields = nil
		texts[pod.Name+".yaml"], _ = yaml.Marshal(pod)
		for _, container := range append(pod.Spec.InitContainers, pod.Spec.Containers...) {
			for _, previous := range []bool{false, true} {
				options := corev1.PodLogOptions{Container: container.Name, Previous: previous, Timestamps: true}
				text, err := c.Clientset.CoreV1().Pods(namespace).GetLogs(pod.Name, &options).DoRaw(ctx)
				if err == nil { // there may have been no life before, or there is none yet
					texts[fmt.Sprintf("%s.%s%s.log", pod.Name, container.Name, map[bool]string{true: ".previous"}[previous])] = text
				}
			}
		}
	}
	return texts, errors.Join(failed...)
}

// Troubles is the short form: every container of a namespace that does not run as it should, and why.
func (c *Cluster) Troubles(ctx context.Context, namespace string) []string {
	pods, err := c.Pods(ctx, namespace, nil)
	if err != nil {
		return []string{err.Error()}
	}
	var troubles []string
	for _, pod := range pods {
		for _, s := range append(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses...) {
			if ended := s.LastTerminationState.Terminated; ended != nil {
				troubles = append(troubles, fmt.Sprintf("%s/%s: %d restarts, the last after %s (exit %d)", pod.Name, s.Name, s.RestartCount, ended.Reason, ended.ExitCode))
			}
			if !s.Ready && s.State.Terminated == nil {
				troubles = append(troubles, fmt.Sprintf("%s/%s: not Ready%s", pod.Name, s.Name, waiting(pod)))
			}
		}
	}
	return troubles
}
