package cluster

import (
	"context"
	"fmt"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Pods lists the pods with all of some labels.
func (c *Cluster) Pods(ctx context.Context, namespace string, labels map[string]string) ([]corev1.Pod, error) {
	var list corev1.PodList
	if err := c.List(ctx, &list, client.InNamespace(namespace), client.MatchingLabels(labels)); err != nil {
		return nil, fmt.Errorf("list pods: %w", err)
	}
	return list.Items, nil
}

// Ready waits until the Deployments and StatefulSets with some labels have all their pods, of the newest version, Ready.
func (c *Cluster) Ready(ctx context.Context, namespace string, labels map[string]string) error {
	return Until(ctx, "all pods Ready", func(ctx context.Context) (string, error) {
		var deployments appsv1.DeploymentList
		var sets appsv1.StatefulSetList
		for _, list := range []client.ObjectList{&deployments, &sets} {
			if err := c.List(ctx, list, client.InNamespace(namespace), client.MatchingLabels(labels)); err != nil {
				return "", fmt.Errorf("list workloads: %w", err)
			}
		}
		if len(deployments.Items)+len(sets.Items) == 0 {
			return "there is no workload", nil
		}
		var lacks []string
		for _, d := range deployments.Items {
			s := d.Status
			lacks = lack(lacks, d.Name, *d.Spec.Replicas, d.Generation == s.ObservedGeneration, s.Replicas, s.UpdatedReplicas, s.ReadyReplicas)
		}
		for _, d := range sets.Items {
			s := d.Status
			lacks = lack(lacks, d.Name, *d.Spec.Replicas, d.Generation == s.ObservedGeneration, s.Replicas, s.UpdatedReplicas, s.ReadyReplicas)
		}
		return strings.Join(lacks, ", "), nil
	})
}

func lack(lacks []string, name string, want int32, observed bool, all, updated, ready int32) []string {
	if observed && all == want && updated == want && ready == want {
		return lacks
	}
	return append(lacks, fmt.Sprintf("%s: of %d pods %d are new, %d Ready, %d there", name, want, updated, ready, all))
}

// Lives is who the pods of a component are and how often their containers were started: what changes when they die.
type Lives map[types.UID]int32

// Lives looks at pods with some labels.
func (c *Cluster) Lives(ctx context.Context, namespace string, labels map[string]string) (Lives, error) {
	pods, err := c.Pods(ctx, namespace, labels)
	lives := Lives{}
	for _, p := range pods {
		lives[p.UID] = Restarts(p)
	}
	return lives, err
}

// Reborn waits until there are as many pods as there were, all Ready, and none is as it was.
func (c *Cluster) Reborn(ctx context.Context, namespace string, labels map[string]string, before Lives) error {
	return Until(ctx, "the pods to come back", func(ctx context.Context) (string, error) {
		pods, err := c.Pods(ctx, namespace, labels)
		if err != nil {
			return "", err
		}
		if len(pods) != len(before) {
			return fmt.Sprintf("%d pods, not %d", len(pods), len(before)), nil
		}
		for _, p := range pods {
			if starts, known := before[p.UID]; known && Restarts(p) == starts {
				return p.Name + " is as before", nil
			}
			if !PodReady(p) {
				return p.Name + " is not Ready", nil
			}
		}
		return "", nil
	})
}

// Restarts is how often containers of a pod were started again.
func Restarts(p corev1.Pod) int32 {
	total := int32(0)
	for _, s := range p.Status.ContainerStatuses {
		total += s.RestartCount
	}
	return total
}

// PodReady tells whether a pod is Ready and meant to stay.
func PodReady(p corev1.Pod) bool {
	for _, condition := range p.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue && p.DeletionTimestamp == nil
		}
	}
	return false
}

// RunPod runs a pod to its end, returns what it printed, and removes it; one that fails is an error with that text.
func (c *Cluster) RunPod(ctx context.Context, pod *corev1.Pod) (string, error) {
	if err := c.Remove(ctx, pod.DeepCopy()); err != nil { // what an earlier run left
		return "", err
	}
	if err := c.Create(ctx, pod); err != nil {
		return "", fmt.Errorf("make pod %s: %w", pod.Name, err)
	}
	err := Until(ctx, "the end of pod "+pod.Name, func(ctx context.Context) (string, error) {
		if err := c.Get(ctx, client.ObjectKeyFromObject(pod), pod); err != nil {
			return "", fmt.Errorf("get pod: %w", err)
		}
		if pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
			return "", nil
		}
		return "phase " + string(pod.Status.Phase) + waiting(*pod), nil
	})
	if err != nil {
		return "", err
	}
	text, err := c.Clientset.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, &corev1.PodLogOptions{}).DoRaw(ctx)
	if err != nil {
		return "", fmt.Errorf("read log of pod %s: %w", pod.Name, err)
	}
	if pod.Status.Phase == corev1.PodFailed {
		return "", fmt.Errorf("pod %s failed: %s", pod.Name, text)
	}
	return strings.TrimSpace(string(text)), c.Remove(ctx, pod)
}

// waiting says what a pod's containers wait for.
func waiting(p corev1.Pod) string {
	var reasons strings.Builder
	for _, s := range p.Status.ContainerStatuses {
		if w := s.State.Waiting; w != nil {
			fmt.Fprintf(&reasons, ", %s waits: %s %s", s.Name, w.Reason, w.Message)
		}
	}
	return reasons.String()
}
