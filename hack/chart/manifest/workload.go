package manifest

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// Workload is an object that makes pods, or a pod.
type Workload struct {
	Object   Object
	Template corev1.PodTemplateSpec
	Selector *metav1.LabelSelector // of what has one
	Replicas *int32                // as rendered: nil where it is left to somebody else
}

// Component is the value of app.kubernetes.io/component of the pods.
func (w Workload) Component() string { return w.Template.Labels["app.kubernetes.io/component"] }

// Containers are all containers of a pod, init containers first.
func (w Workload) Containers() []corev1.Container {
	return slices.Concat(w.Template.Spec.InitContainers, w.Template.Spec.Containers)
}

// Container is that container whose ports are the pod's, the first one.
func (w Workload) Container() corev1.Container { return w.Template.Spec.Containers[0] }

// template says where the pod's template stands in an object of a kind.
func template(kind string) ([]string, bool) {
	switch kind {
	case "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job":
		return []string{"spec", "template"}, true
	case "CronJob":
		return []string{"spec", "jobTemplate", "spec", "template"}, true
	case "Pod":
		return nil, true
	}
	return nil, false
}

// Workloads are all of the objects that make pods, hooks and tests included.
func Workloads(objects []Object) ([]Workload, error) {
	var all []Workload
	for _, o := range objects {
		path, makesPods := template(o.GetKind())
		if !makesPods {
			continue
		}
		w, err := workload(o, path)
		if err != nil {
			return nil, err
		}
		all = append(all, w)
	}
	return all, nil
}

func workload(o Object, path []string) (Workload, error) {
	w := Workload{Object: o}
	pod := o.Object
	if len(path) > 0 {
		pod, _, _ = unstructured.NestedMap(o.Object, path...)
	}
	pod = runtime.DeepCopyJSON(pod)
	delete(pod, "apiVersion") // of a Pod, which is no template
	delete(pod, "kind")
	if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(pod, &w.Template, true); err != nil {
		return w, fmt.Errorf("read pod of %s: %w", o, err)
	}
	if len(w.Template.Spec.Containers) == 0 {
		return w, fmt.Errorf("%s has no containers", o)
	}
	return w, w.readScale()
}

// readScale reads selector and replicas, where a kind has them.
func (w *Workload) readScale() error {
	spec, _, _ := unstructured.NestedMap(w.Object.Object, "spec")
	scale := struct {
		Selector *metav1.LabelSelector `json:"selector"`
		Replicas *int32                `json:"replicas"`
	}{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(spec, &scale); err != nil {
		return fmt.Errorf("read scale of %s: %w", w.Object, err)
	}
	w.Selector, w.Replicas = scale.Selector, scale.Replicas
	return nil
}
