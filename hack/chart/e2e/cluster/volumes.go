package cluster

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// wiped is where a volume is mounted to be emptied.
const wiped = "/volume/"

// FreeVolumes makes volumes that claims of some namespaces had, and that outlive their claims (Retain), available again:
// empties each through a claim and a pod in the namespace tools, and takes its claim off. The claims have to be gone.
func (c *Cluster) FreeVolumes(ctx context.Context, namespaces []string, tools, image string) (int, error) {
	volumes, err := c.left(ctx, namespaces)
	if err != nil || len(volumes) == 0 {
		return 0, err
	}
	if err := c.EnsureNamespace(ctx, tools, nil); err != nil {
		return 0, err
	}
	for i := range volumes {
		if err := c.claim(ctx, &volumes[i], tools); err != nil {
			return 0, err
		}
	}
	if _, err := c.RunPod(ctx, wiper(volumes, tools, image)); err != nil {
		return 0, fmt.Errorf("empty volumes: %w", err)
	}
	for i := range volumes {
		if err := c.unclaim(ctx, &volumes[i], tools); err != nil {
			return 0, err
		}
	}
	return len(volumes), nil
}

// left lists the volumes that claims of the namespaces left behind.
func (c *Cluster) left(ctx context.Context, namespaces []string) ([]corev1.PersistentVolume, error) {
	var list corev1.PersistentVolumeList
	if err := c.List(ctx, &list); err != nil {
		return nil, fmt.Errorf("list volumes: %w", err)
	}
	return slices.DeleteFunc(list.Items, func(v corev1.PersistentVolume) bool {
		ours := v.Spec.ClaimRef != nil && slices.Contains(namespaces, v.Spec.ClaimRef.Namespace)
		return !ours || v.Spec.PersistentVolumeReclaimPolicy != corev1.PersistentVolumeReclaimRetain
	}), nil
}

func claimName(v corev1.PersistentVolume) string { return "wipe-" + v.Name }

// claim hands a volume over to a claim in tools.
func (c *Cluster) claim(ctx context.Context, v *corev1.PersistentVolume, tools string) error {
	before := v.DeepCopy()
	v.Spec.ClaimRef = &corev1.ObjectReference{Kind: "PersistentVolumeClaim", APIVersion: "v1", Namespace: tools, Name: claimName(*v)}
	if err := c.Patch(ctx, v, client.MergeFrom(before)); err != nil {
		return fmt.Errorf("hand volume %s over: %w", v.Name, err)
	}
	claim := &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Name: claimName(*v), Namespace: tools},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: v.Spec.AccessModes, VolumeName: v.Name, StorageClassName: &v.Spec.StorageClassName,
			Resources: corev1.VolumeResourceRequirements{Requests: v.Spec.Capacity},
		},
	}
	if err := c.Create(ctx, claim); client.IgnoreAlreadyExists(err) != nil {
		return fmt.Errorf("claim volume %s: %w", v.Name, err)
	}
	return nil
}

// unclaim takes the claim off again, for good.
func (c *Cluster) unclaim(ctx context.Context, v *corev1.PersistentVolume, tools string) error {
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: claimName(*v), Namespace: tools}}
	if err := c.Remove(ctx, claim); err != nil {
		return err
	}
	return Until(ctx, "volume "+v.Name+" to be available", func(ctx context.Context) (string, error) {
		if err := c.Get(ctx, client.ObjectKeyFromObject(v), v); err != nil {
			return "", fmt.Errorf("get volume: %w", err)
		}
		if v.Spec.ClaimRef != nil {
			before := v.DeepCopy()
			v.Spec.ClaimRef = nil
			if err := c.Patch(ctx, v, client.MergeFrom(before)); err != nil {
				return "", fmt.Errorf("free volume: %w", err)
			}
		}
		if v.Status.Phase == corev1.VolumeAvailable {
			return "", nil
		}
		return "phase " + string(v.Status.Phase), nil
	})
}

// wiper is a pod that empties volumes: as root, for each server's files are its own user's.
func wiper(volumes []corev1.PersistentVolume, tools, image string) *corev1.Pod {
	root := int64(0)
	container := corev1.Container{
		Name: "wipe", Image: image, Args: []string{"wipe"}, SecurityContext: &corev1.SecurityContext{RunAsUser: &root},
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "wipe", Namespace: tools}}
	for _, v := range volumes {
		container.Args = append(container.Args, wiped+v.Name)
		container.VolumeMounts = append(container.VolumeMounts, corev1.VolumeMount{Name: v.Name, MountPath: wiped + v.Name})
		pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: v.Name, VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claimName(v)},
		}})
	}
	pod.Spec.RestartPolicy = corev1.RestartPolicyNever
	pod.Spec.Containers = []corev1.Container{container}
	return pod
}
