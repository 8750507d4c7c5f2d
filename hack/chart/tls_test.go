package chart_test

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/theeye-dev/theeye/hack/chart/manifest"
)

// both renders everything that has a scheme, once without TLS and once with it.
func both(t *testing.T, test func(v variant, scheme string)) {
	t.Helper()
	const rest = `, ingress: {enabled: true, host: events.example.com}, monitoring: {serviceMonitor: {enabled: true}},
		persistence: {keda: {enabled: true}}}`
	for scheme, values := range map[string]string{"http": `{tls: {enabled: false}` + rest, "https": `{tls: {enabled: true}` + rest} {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			test(with(t, values), scheme)
		})
	}
}

// TLS is on everywhere or nowhere: probes, URLs of our own Services, scrapes.
func TestSchemes(t *testing.T) {
	t.Parallel()
	both(t, func(v variant, scheme string) {
		t := v.t
		for name := range own {
			c := v.component(t, name).Container()
			for kind, probe := range map[string]*corev1.Probe{"startup": c.StartupProbe, "liveness": c.LivenessProbe, "readiness": c.ReadinessProbe} {
				got := strings.ToLower(string(probe.HTTPGet.Scheme))
				if got != scheme && (got != "" || scheme == "https") {
					t.Errorf("%s: the %s probe speaks %q", name, kind, got)
				}
			}
		}
		other := map[string]string{"http": "https", "https": "http"}[scheme]
		urls := 0
		for line := range strings.Lines(v.release.Manifest) {
			if strings.Contains(line, other+"://"+fullname) {
				t.Errorf("%s over %s: %s", other, scheme, line)
			}
			urls += strings.Count(line, scheme+"://"+fullname)
		}
		if urls < 3 { // the operator's two, and KEDA's
			t.Errorf("only %d URLs of our own", urls)
		}
		monitors := manifest.OfKind(v.objects, "ServiceMonitor")
		if len(monitors) == 0 {
			t.Error("no ServiceMonitor")
		}
		for _, monitor := range monitors {
			endpoints, _, _ := unstructured.NestedSlice(monitor.Object, "spec", "endpoints")
			for _, endpoint := range endpoints {
				if got, _, _ := unstructured.NestedString(endpoint.(map[string]any), "scheme"); got != scheme && (got != "" || scheme == "https") {
					t.Errorf("%s is scraped by %q", monitor, got)
				}
			}
		}
	})
}

// Every service is given its certificate when TLS is on, and the operator what it trusts the others by: the authority
// alone, not their keys.
func TestCertificatesAreMounted(t *testing.T) {
	t.Parallel()
	both(t, func(v variant, scheme string) {
		t := v.t
		for name := range own {
			w := v.component(t, name)
			c := w.Container()
			flags := slices.Contains(c.Args, "--tls-cert-file=/etc/theeye/tls/tls.crt") && slices.Contains(c.Args, "--tls-private-key-file=/etc/theeye/tls/tls.key")
			mounted := slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.MountPath == "/etc/theeye/tls" && m.SubPath == "" })
			if want := scheme == "https"; flags != want || mounted != want {
				t.Errorf("%s: flags %v, mounted %v, want %v", name, flags, mounted, want)
			}
		}
		w := v.component(t, "operator")
		for _, name := range []string{"auth", "persistence"} {
			arg := "--" + name + "-ca-file=/etc/theeye/ca/" + name + "/ca.crt"
			if got := slices.Contains(w.Container().Args, arg); got != (scheme == "https") {
				t.Errorf("the operator has %s: %v", arg, got)
			}
			for _, volume := range w.Template.Spec.Volumes {
				if volume.Secret != nil && volume.Secret.SecretName == fullname+"-"+name+"-tls" &&
					(len(volume.Secret.Items) != 1 || volume.Secret.Items[0].Key != "ca.crt") {
					t.Errorf("the operator sees more of %s than its authority: %v", name, volume.Secret.Items)
				}
			}
		}
	})
}

// cert-manager makes what the pods mount, for all names by which they are called.
func TestCertificatesHaveAllNames(t *testing.T) {
	t.Parallel()
	v := with(t, `{tls: {enabled: true, certManager: {enabled: true, issuerRef: {name: a}}}}`)
	certificates := manifest.OfKind(v.objects, "Certificate")
	if len(certificates) != len(own) {
		t.Errorf("%d certificates, want %d", len(certificates), len(own))
	}
	for name := range own {
		full := fullname + "-" + name
		at := slices.IndexFunc(certificates, func(o manifest.Object) bool {
			secret, _, _ := unstructured.NestedString(o.Object, "spec", "secretName")
			return secret == full+"-tls"
		})
		if at < 0 {
			t.Errorf("no certificate for %s", name)
			continue
		}
		names, _, _ := unstructured.NestedStringSlice(certificates[at].Object, "spec", "dnsNames")
		for _, want := range []string{
			full, full + "." + releaseNamespace, full + "." + releaseNamespace + ".svc", full + "." + releaseNamespace + ".svc.cluster.local",
		} {
			if !slices.Contains(names, want) {
				t.Errorf("the certificate of %s is not for %s: %v", name, want, names)
			}
		}
	}
	if made := manifest.OfKind(with(t, `{tls: {enabled: true}}`).objects, "Certificate"); len(made) > 0 {
		t.Errorf("made without being asked for: %v", made)
	}
}

// Tokens are had where events are posted when a route of ours has both, and name the same issuer wherever they come from.
func TestIssuer(t *testing.T) {
	t.Parallel()
	inside := "http://" + fullname + "-auth." + releaseNamespace + ".svc:8081"
	for values, want := range map[string]string{
		`{}`: inside,
		`{tls: {enabled: true}, auth: {service: {port: 443}}}`:                                                             "https://" + fullname + "-auth." + releaseNamespace + ".svc:443",
		`{ingress: {enabled: true, host: e.example.com}}`:                                                                  "http://e.example.com",
		`{ingress: {enabled: true, host: e.example.com, tlsSecretName: a}}`:                                                "https://e.example.com",
		`{gateway: {enabled: true, parentRefs: [{name: a}], hostnames: [g.example.com]}}`:                                  "https://g.example.com",
		`{ingress: {enabled: true, host: "*.example.com"}, operator: {eventsURL: "https://a.example.com:8443/v1/events"}}`: "https://a.example.com:8443",
		`{operator: {eventsURL: "https://x/v1/events"}}`:                                                                   inside,
		`{auth: {issuerURL: "https://auth.example.com/eye/"}, ingress: {enabled: true, host: "e.example.com"}}`:            "https://auth.example.com/eye",
	} {
		v := with(t, values)
		if args := v.component(t, "auth").Container().Args; !slices.Contains(args, "--issuer-url="+want) {
			t.Errorf("%s: auth is not %s: %v", values, want, args)
		}
		if args := v.component(t, "operator").Container().Args; !slices.Contains(args, "--token-url="+want+"/v1/token") {
			t.Errorf("%s: the operator does not tell %s/v1/token: %v", values, want, args)
		}
	}
}

// What applications are told to post to is what can be reached from farthest.
func TestEventsURL(t *testing.T) {
	t.Parallel()
	inside := "http://" + fullname + "-ingest." + releaseNamespace + ".svc:8080/v1/events"
	for values, want := range map[string]string{
		`{}`: inside,
		`{tls: {enabled: true}, ingest: {service: {port: 443}}}`:                                        "https://" + fullname + "-ingest." + releaseNamespace + ".svc:443/v1/events",
		`{ingress: {enabled: true, host: e.example.com}}`:                                               "http://e.example.com/v1/events",
		`{ingress: {enabled: true, host: e.example.com, tlsSecretName: a}}`:                             "https://e.example.com/v1/events",
		`{gateway: {enabled: true, parentRefs: [{name: a}], hostnames: [g.example.com]}}`:               "https://g.example.com/v1/events",
		`{operator: {eventsURL: "https://x/v1/events"}, ingress: {enabled: true, host: e.example.com}}`: "https://x/v1/events",
	} {
		if args := with(t, values).component(t, "operator").Container().Args; !slices.Contains(args, "--events-url="+want) {
			t.Errorf("%s: the operator does not tell %s: %v", values, want, args)
		}
	}
}
