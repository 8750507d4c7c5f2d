package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// summary is the part of a kubelet's stats summary that is asked for here.
type summary struct {
	Pods []struct {
		PodRef struct {
			Name      string `json:"name"`
			Namespace string `json:"namespace"`
		} `json:"podRef"`
		Containers []struct {
			Memory struct {
				WorkingSetBytes uint64 `json:"workingSetBytes"`
			} `json:"memory"`
		} `json:"containers"`
	} `json:"pods"`
}

// Memory asks the kubelets for the working set of each pod of a namespace, in bytes: what counts against its limit.
func (c *Cluster) Memory(ctx context.Context, namespace string) (map[string]uint64, error) {
	var nodes corev1.NodeList
	if err := c.List(ctx, &nodes); err != nil {
		return nil, fmt.Errorf("list nodes: %w", err)
	}
	memory := map[string]uint64{}
	for _, node := range nodes.Items {
		text, err := c.Clientset.CoreV1().RESTClient().Get().Resource("nodes").Name(node.Name).
			SubResource("proxy").Suffix("stats/summary").DoRaw(ctx)
		if err != nil {
			return nil, fmt.Errorf("ask the kubelet of %s: %w", node.Name, err)
		}
		var s summary
		if err := json.Unmarshal(text, &s); err != nil {
			return nil, fmt.Errorf("decode stats of %s: %w", node.Name, err)
		}
		for _, pod := range s.Pods {
			for _, container := range pod.Containers {
				if pod.PodRef.Namespace == namespace {
					memory[pod.PodRef.Name] += container.Memory.WorkingSetBytes
				}
			}
		}
	}
	return memory, nil
}

// ImageSizes asks the nodes for the sizes of the images they have, in bytes as they were pulled, by name with tag.
func (c *Cluster) ImageSizes(ctx context.Context) (map[string]int64, error) {
	var nodes corev1.NodeList
	if err := c.List(ctx, &nodes); err != nil {
		return nil, fmt.Errorf("list nodes: %w", err)
	}
	sizes := map[string]int64{}
	for _, node := range nodes.Items {
		for _, image := range node.Status.Images {
			for _, name := range image.Names {
				if !strings.Contains(name, "@") { // a digest
					sizes[name] = image.SizeBytes
				}
			}
		}
	}
	return sizes, nil
}
