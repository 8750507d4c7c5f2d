package chart_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/theeye-dev/theeye/hack/chart/manifest"
)

// has says whether a variant has an object, by kind and name.
func (v variant) has(kind, name string) bool {
	return slices.ContainsFunc(v.objects, func(o manifest.Object) bool { return o.GetKind() == kind && o.GetName() == name })
}

// What a pod mounts and runs as is rendered beside it, or one of the Secrets that the values, a Job or cert-manager name.
func TestPodsFindWhatTheyName(t *testing.T) {
	t.Parallel()
	eachVariant(t, func(v variant) {
		t := v.t
		secrets := knownSecrets(v)
		for _, w := range v.pods {
			if account := w.Template.Spec.ServiceAccountName; !v.has("ServiceAccount", account) {
				t.Errorf("%s runs as %q", w.Object, account)
			}
			for _, name := range secretsOf(w) {
				if !slices.Contains(secrets, name) {
					t.Errorf("%s needs the Secret %s; known are %v", w.Object, name, secrets)
				}
			}
			for _, volume := range w.Template.Spec.Volumes {
				if volume.ConfigMap != nil && !v.has("ConfigMap", volume.ConfigMap.Name) {
					t.Errorf("%s mounts the ConfigMap %s", w.Object, volume.ConfigMap.Name)
				}
				if !isMounted(w, volume.Name) {
					t.Errorf("%s has the volume %s, and nobody mounts it", w.Object, volume.Name)
				}
			}
		}
	})
}

// knownSecrets are those of the values, of the passwords Job and of cert-manager.
func knownSecrets(v variant) []string {
	prefix := fullname
	if override, set := v.values["nameOverride"].(string); set {
		prefix = releaseName + "-" + override
	}
	known := []string{prefix + "-passwords"}
	for name := range own {
		known = append(known, prefix+"-"+name+"-tls")
	}
	for _, path := range [][]string{
		{"redis", "existing", "secretName"},
		{"redis", "existing", "caSecretName"},
		{"postgres", "existing", "secretName"},
		{"postgres", "existing", "caSecretName"},
		{"auth", "signingKey", "existingSecretName"},
		{"tls", "secretNames", "ingest"},
		{"tls", "secretNames", "auth"},
		{"tls", "secretNames", "persistence"},
		{"tls", "secretNames", "operator"},
	} {
		if name, set := dig(v.values, path...).(string); set {
			known = append(known, name)
		}
	}
	return known
}

// secretsOf are the Secrets that a pod cannot start without.
func secretsOf(w manifest.Workload) []string {
	var names []string
	for _, volume := range w.Template.Spec.Volumes {
		if volume.Secret != nil {
			names = append(names, volume.Secret.SecretName)
		}
		for _, source := range sources(volume) {
			if source.Secret != nil {
				names = append(names, source.Secret.Name)
			}
		}
	}
	for _, c := range w.Containers() {
		for _, variable := range c.Env {
			if from := variable.ValueFrom; from != nil && from.SecretKeyRef != nil {
				names = append(names, from.SecretKeyRef.Name)
			}
		}
	}
	return names
}

// Auth sees of a Secret what it encrypts with, and nothing else.
func TestAuthFindsItsKey(t *testing.T) {
	t.Parallel()
	for values, want := range map[string]corev1.SecretVolumeSource{
		`{}`: {SecretName: fullname + "-passwords", Items: []corev1.KeyToPath{{Key: "signing-key-encryption", Path: "encryption"}}},
		`{auth: {signingKey: {existingSecretName: vault, key: text}}}`: {SecretName: "vault", Items: []corev1.KeyToPath{{Key: "text", Path: "encryption"}}},
	} {
		w := with(t, values).component(t, "auth")
		if !slices.Contains(w.Container().Args, "--signing-key-encryption-file="+mountPath(w, "signing-key")+"/encryption") {
			t.Errorf("%s: auth is started with %v", values, w.Container().Args)
		}
		at := slices.IndexFunc(w.Template.Spec.Volumes, func(volume corev1.Volume) bool { return volume.Name == "signing-key" })
		got := w.Template.Spec.Volumes[at].Secret
		if mode := got.DefaultMode; mode == nil || *mode != 0o440 {
			t.Errorf("%s: the key's file has another mode", values)
		}
		if got.SecretName != want.SecretName || !slices.Equal(got.Items, want.Items) {
			t.Errorf("%s: auth reads %v of %s", values, got.Items, got.SecretName)
		}
	}
}

func isMounted(w manifest.Workload, volume string) bool {
	return slices.ContainsFunc(w.Containers(), func(c corev1.Container) bool {
		return slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.Name == volume })
	})
}

// Services point at ports that the pods they find have, by name; StatefulSets at a headless Service.
func TestServicesFindPorts(t *testing.T) {
	t.Parallel()
	eachVariant(t, func(v variant) {
		t := v.t
		services := typed[corev1.Service](t, v, "Service")
		for _, s := range services {
			c := v.component(t, s.Spec.Selector["app.kubernetes.io/component"]).Container()
			for _, port := range s.Spec.Ports {
				if port.TargetPort.Type != intstr.String || !slices.ContainsFunc(c.Ports, func(p corev1.ContainerPort) bool { return p.Name == port.TargetPort.StrVal }) {
					t.Errorf("%s: port %s points at %s", s.Name, port.Name, port.TargetPort.String())
				}
			}
		}
		for _, set := range typed[appsv1.StatefulSet](t, v, "StatefulSet") {
			if !slices.ContainsFunc(services, func(s corev1.Service) bool { return s.Name == set.Spec.ServiceName && s.Spec.ClusterIP == "None" }) {
				t.Errorf("%s has no headless Service %s", set.Name, set.Spec.ServiceName)
			}
		}
	})
}

// The operations port is for the inside: nobody reaches metrics and profiles by a public Service, Ingress or route.
func TestOperationsPortsStayInside(t *testing.T) {
	t.Parallel()
	v := with(t, `{ingest: {service: {type: LoadBalancer}}, persistence: {service: {type: NodePort}}, auth: {service: {type: LoadBalancer}}}`)
	public := 0
	for _, s := range typed[corev1.Service](t, v, "Service") {
		if s.Spec.Type == corev1.ServiceTypeClusterIP || s.Spec.Type == "" {
			continue
		}
		public++
		for _, port := range s.Spec.Ports {
			if port.Name != "http" {
				t.Errorf("%s publishes %s", s.Name, port.Name)
			}
		}
	}
	if public != 3 {
		t.Errorf("%d public Services, want 3", public)
	}
}

// Ingress, route, autoscalers and certificates name what is there.
func TestRoutesFindServices(t *testing.T) {
	t.Parallel()
	eachVariant(t, func(v variant) {
		t := v.t
		for _, ingress := range typed[networkingv1.Ingress](t, v, "Ingress") {
			for _, rule := range ingress.Spec.Rules {
				for _, path := range rule.HTTP.Paths {
					checkBackend(t, v, path.Backend.Service.Name, path.Backend.Service.Port)
				}
			}
		}
		for _, route := range manifest.OfKind(v.objects, "HTTPRoute") {
			rules, _, _ := unstructured.NestedSlice(route.Object, "spec", "rules")
			for _, rule := range rules {
				backends, _, _ := unstructured.NestedSlice(rule.(map[string]any), "backendRefs")
				for _, backend := range backends {
					port, _, _ := unstructured.NestedInt64(backend.(map[string]any), "port")
					name, _, _ := unstructured.NestedString(backend.(map[string]any), "name")
					checkBackend(t, v, name, networkingv1.ServiceBackendPort{Number: int32(port)})
				}
			}
		}
		for _, name := range scaled(t, v) {
			if !v.has("Deployment", name) {
				t.Errorf("no Deployment %s to be scaled", name)
			}
		}
	})
}

// Of auth the routes have what clients get tokens with, by the whole path: its admin API has no business outside.
func TestAdminAPIsHaveNoRoute(t *testing.T) {
	t.Parallel()
	v := with(t, `{ingress: {enabled: true, host: e.example.com}, gateway: {enabled: true, parentRefs: [{name: a}], hostnames: [g.example.com]}}`)
	want := []string{"Exact /.well-known/jwks.json", "Exact /.well-known/oauth-authorization-server", "Exact /v1/token"}
	routes := map[string][]string{}
	for _, path := range typed[networkingv1.Ingress](t, v, "Ingress")[0].Spec.Rules[0].HTTP.Paths {
		service := path.Backend.Service.Name
		routes["ingress to "+service] = append(routes["ingress to "+service], string(*path.PathType)+" "+path.Path)
	}
	rules, _, _ := unstructured.NestedSlice(manifest.OfKind(v.objects, "HTTPRoute")[0].Object, "spec", "rules")
	for _, rule := range rules {
		backends, _, _ := unstructured.NestedSlice(rule.(map[string]any), "backendRefs")
		service, _, _ := unstructured.NestedString(backends[0].(map[string]any), "name")
		matches, _, _ := unstructured.NestedSlice(rule.(map[string]any), "matches")
		for _, match := range matches {
			path, _, _ := unstructured.NestedStringMap(match.(map[string]any), "path")
			routes["gateway to "+service] = append(routes["gateway to "+service], path["type"]+" "+path["value"])
		}
	}
	for _, found := range routes {
		slices.Sort(found)
	}
	if diff := cmp.Diff(map[string][]string{
		"ingress to " + fullname + "-auth": want, "ingress to " + fullname + "-ingest": {"Prefix /"},
		"gateway to " + fullname + "-auth": want, "gateway to " + fullname + "-ingest": {"PathPrefix /"},
	}, routes); diff != "" {
		t.Errorf("other routes than wanted (-want):\n%s", diff)
	}
}

// Proxies are believed by who has a public port, and by nobody when none is named.
func TestTrustedProxies(t *testing.T) {
	t.Parallel()
	v := with(t, `{trustedProxies: [10.0.0.0/8, "fd00::1"]}`)
	for _, component := range []string{"ingest", "auth", "persistence", "operator"} {
		if got := slices.Contains(v.component(t, component).Container().Args, "--trusted-proxies=10.0.0.0/8,fd00::1"); got != (component != "operator") {
			t.Errorf("%s is told of the proxies: %v", component, got)
		}
		for _, arg := range with(t, `{}`).component(t, component).Container().Args {
			if strings.Contains(arg, "proxies") {
				t.Errorf("%s has %s", component, arg)
			}
		}
	}
}

func checkBackend(t *testing.T, v variant, name string, port networkingv1.ServiceBackendPort) {
	t.Helper()
	for _, s := range typed[corev1.Service](t, v, "Service") {
		if s.Name == name && slices.ContainsFunc(s.Spec.Ports, func(p corev1.ServicePort) bool {
			return p.Name == "http" && (p.Name == port.Name || p.Port == port.Number)
		}) {
			return
		}
	}
	t.Errorf("no Service %s with the public port %+v", name, port)
}
