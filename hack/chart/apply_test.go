package chart_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"

	"github.com/theeye-dev/theeye/hack/chart/manifest"
)

// A real API server takes every object of every variant, in a namespace where pod security is restricted, and has
// nothing to say about any: unknown fields, deprecated versions, pods that may too much.
func TestEveryVariantIsAccepted(t *testing.T) {
	t.Parallel()
	eachVariant(t, func(v variant) {
		t := v.t
		dryRun(t, releaseNamespace, v.objects)
	})
}

// The way that all of this is judged by sees what it should: a pod without a security context, a field that is none.
func TestDryRunSeesFaults(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"would violate PodSecurity": `{apiVersion: apps/v1, kind: Deployment, metadata: {name: a}, spec: {selector: {matchLabels: {a: b}},
			template: {metadata: {labels: {a: b}}, spec: {containers: [{name: a, image: a}]}}}}`,
		"violates PodSecurity": `{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [{name: a, image: a}]}}`,
		"field not declared":   `{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, content: {}}`,
		"deprecated":           `{apiVersion: v1, kind: Endpoints, metadata: {name: a}}`,
		"no matches for kind":  `{apiVersion: theeye.dev/v1alpha1, kind: Application2, metadata: {name: a}}`,
		"spec.duration":        `{apiVersion: cert-manager.io/v1, kind: Certificate, metadata: {name: a}, spec: {secretName: a, issuerRef: {name: a}, duration: 5}}`,
		"duplicate entries": `{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [{name: a, image: a,
			env: [{name: A, value: a}, {name: A, value: b}]}]}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			objects, err := manifest.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			faults := connect(t).faults(t, releaseNamespace, objects[0])
			if !strings.Contains(strings.Join(faults, "\n"), name) {
				t.Errorf("faults = %q, want %q", faults, name)
			}
		})
	}
}

// dryRun has the API server judge objects; those that say no namespace go where Helm would put them.
func dryRun(t *testing.T, namespace string, objects []manifest.Object) {
	t.Helper()
	c := connect(t)
	for _, o := range objects {
		for _, fault := range c.faults(t, namespace, o) {
			t.Errorf("%s: %s", o, fault)
		}
	}
}

// judge asks an API server about objects.
type judge struct {
	mapper    meta.RESTMapper
	objects   *dynamic.DynamicClient
	typed     *kubernetes.Clientset
	collected *warnings
}

// warnings are what the API server says beside its answers.
type warnings struct {
	mutex sync.Mutex
	texts []string
}

// HandleWarningHeader keeps what the API server says.
func (w *warnings) HandleWarningHeader(_ int, _, text string) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.texts = append(w.texts, "warning: "+text)
}

// take returns what was said since the last time.
func (w *warnings) take() []string {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	texts := w.texts
	w.texts = nil
	return texts
}

// connect makes a judge with ears of its own.
func connect(t *testing.T) *judge {
	t.Helper()
	config := rest.CopyConfig(apiServer(t))
	heard := &warnings{}
	config.WarningHandler = heard
	typed, err1 := kubernetes.NewForConfig(config)
	objects, err2 := dynamic.NewForConfig(config)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	groups, err := restmapper.GetAPIGroupResources(typed.Discovery())
	if err != nil {
		t.Fatal(err)
	}
	return &judge{mapper: restmapper.NewDiscoveryRESTMapper(groups), objects: objects, typed: typed, collected: heard}
}

// faults are why the API server refuses an object, and what it warns of.
func (j *judge) faults(t *testing.T, namespace string, o manifest.Object) []string {
	t.Helper()
	if err := j.apply(t.Context(), t, namespace, o); err != nil {
		return append(j.collected.take(), err.Error())
	}
	return j.collected.take()
}

// apply is Helm 4's way: by the server, where two entries of one name are an error.
func (j *judge) apply(ctx context.Context, t *testing.T, namespace string, o manifest.Object) error {
	t.Helper()
	kind := o.GroupVersionKind()
	mapping, err := j.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return err
	}
	var resource dynamic.ResourceInterface = j.objects.Resource(mapping.Resource)
	if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
		if o.GetNamespace() != "" {
			namespace = o.GetNamespace()
		}
		j.ensureNamespace(t, namespace)
		resource = j.objects.Resource(mapping.Resource).Namespace(namespace)
	} else if o.GetNamespace() != "" {
		return fmt.Errorf("it says a namespace, and %s have none", mapping.Resource.Resource)
	}
	_, err = resource.Apply(ctx, o.GetName(), &o.Unstructured,
		metav1.ApplyOptions{FieldManager: "helm", Force: true, DryRun: []string{metav1.DryRunAll}})
	return err
}

// restricted is the strictest level of the pod security standards, in all three ways of saying so.
func restricted() map[string]string {
	labels := map[string]string{}
	for _, mode := range []string{"enforce", "audit", "warn"} {
		labels["pod-security.kubernetes.io/"+mode] = "restricted"
		labels["pod-security.kubernetes.io/"+mode+"-version"] = "latest"
	}
	return labels
}

// ensureNamespace makes what a dry run needs to be there.
func (j *judge) ensureNamespace(t *testing.T, name string) {
	t.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: restricted()}}
	_, err := j.typed.CoreV1().Namespaces().Create(t.Context(), namespace, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatal(err)
	}
}

// Every optional kind is rendered by some variant: what none renders, nobody judged.
func TestVariantsRenderEveryKind(t *testing.T) {
	t.Parallel()
	missing := map[string]bool{}
	for _, kind := range []string{
		"Certificate.cert-manager.io", "HTTPRoute.gateway.networking.k8s.io", "Ingress.networking.k8s.io",
		"NetworkPolicy.networking.k8s.io", "ServiceMonitor.monitoring.coreos.com", "PrometheusRule.monitoring.coreos.com",
		"ScaledObject.keda.sh", "HorizontalPodAutoscaler.autoscaling", "PodDisruptionBudget.policy",
	} {
		missing[kind] = true
	}
	for name, values := range variants(t) {
		for _, o := range renderVariant(t, name, values).objects {
			delete(missing, o.GroupVersionKind().GroupKind().String())
		}
	}
	if len(missing) > 0 {
		t.Errorf("no variant renders %v", slices.Collect(maps.Keys(missing)))
	}
}
