package chart_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/theeye-dev/theeye/hack/chart/manifest"
)

// inspected is a pod, and the test of it alone.
type inspected struct {
	t *testing.T
	manifest.Workload
}

// everyPod looks at each pod of each variant, hook Jobs and the test's pod included.
func everyPod(t *testing.T, test func(w inspected)) {
	t.Helper()
	eachVariant(t, func(v variant) {
		t := v.t
		if len(v.pods) == 0 {
			t.Fatal("no pods")
		}
		for _, w := range v.pods {
			t.Run(w.Object.String(), func(t *testing.T) { test(inspected{t, w}) })
		}
	})
}

// Beyond what the restricted level asks, which the API server judges in another test.
func TestContainersAreLockedDown(t *testing.T) {
	t.Parallel()
	everyPod(t, func(w inspected) {
		t := w.t
		pod := w.Template.Spec
		if pod.EnableServiceLinks == nil || *pod.EnableServiceLinks {
			t.Error("service links fill the environment with other people's addresses")
		}
		if s := pod.SecurityContext; s == nil || s.RunAsUser == nil || *s.RunAsUser == 0 {
			t.Error("the pod does not say which user it runs as")
		}
		if pod.HostNetwork || pod.HostPID || pod.HostIPC {
			t.Error("the pod shares the host's namespaces")
		}
		for _, c := range w.Containers() {
			if s := c.SecurityContext; s == nil || s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem {
				t.Errorf("%s can write its own image", c.Name)
			}
		}
	})
}

// Memory is bounded, for a pod without a bound ends its neighbours; CPU is asked for and not bounded, for a bound
// throttles while the node is idle.
func TestContainersSayWhatTheyNeed(t *testing.T) {
	t.Parallel()
	everyPod(t, func(w inspected) {
		t := w.t
		for _, c := range w.Containers() {
			for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
				if _, found := c.Resources.Requests[name]; !found {
					t.Errorf("%s requests no %s", c.Name, name)
				}
			}
			if _, found := c.Resources.Limits[corev1.ResourceMemory]; !found {
				t.Errorf("%s has no memory limit", c.Name)
			}
		}
	})
}

// tokens says for which components a token of the API server is mounted, and why.
var tokens = map[string]string{ //nolint:gochecknoglobals // a table
	"auth":        "reviews the operator's tokens",
	"persistence": "reviews tokens of whoever reads",
	"operator":    "reads and writes Applications and Secrets",
	"passwords":   "makes a Secret",
	"retire":      "takes finalizers away",
	"test":        "applies an Application",
}

func TestTokensAreMountedWhereNeeded(t *testing.T) {
	t.Parallel()
	everyPod(t, func(w inspected) {
		t := w.t
		mounted := w.Template.Spec.AutomountServiceAccountToken
		if mounted == nil {
			t.Fatal("left to the service account")
		}
		if _, needed := tokens[w.Component()]; *mounted != needed {
			t.Errorf("a token is mounted: %v; needed: %v", *mounted, needed)
		}
		for _, volume := range w.Template.Spec.Volumes {
			if projects(volume) && w.Component() != "operator" {
				t.Errorf("volume %s has a token", volume.Name)
			}
		}
	})
}

func projects(volume corev1.Volume) bool {
	return volume.Projected != nil && slices.ContainsFunc(volume.Projected.Sources,
		func(s corev1.VolumeProjection) bool { return s.ServiceAccountToken != nil })
}

// A service account that says no is what a pod of somebody else under that account gets.
func TestServiceAccountsMountNothing(t *testing.T) {
	t.Parallel()
	eachVariant(t, func(v variant) {
		t := v.t
		for _, account := range typed[corev1.ServiceAccount](t, v, "ServiceAccount") {
			if account.AutomountServiceAccountToken == nil || *account.AutomountServiceAccountToken {
				t.Errorf("%s mounts its token everywhere", account.Name)
			}
		}
	})
}

// The operator shows each of the two others a token for it alone.
func TestOperatorsTokensHaveAudiences(t *testing.T) {
	t.Parallel()
	eachVariant(t, func(v variant) {
		t := v.t
		audiences := map[string]string{}
		for _, w := range v.pods {
			for _, volume := range w.Template.Spec.Volumes {
				for _, source := range sources(volume) {
					if source.ServiceAccountToken != nil {
						audiences[mountPath(w, volume.Name)+"/"+source.ServiceAccountToken.Path] = source.ServiceAccountToken.Audience
					}
				}
			}
		}
		for _, name := range []string{"auth", "persistence"} {
			path := "/var/run/secrets/theeye/" + name + "/token"
			if audiences[path] != "theeye-"+name {
				t.Errorf("%s has the audience %q; all: %v", path, audiences[path], audiences)
			}
		}
	})
}

func sources(volume corev1.Volume) []corev1.VolumeProjection {
	if volume.Projected == nil {
		return nil
	}
	return volume.Projected.Sources
}

// mountPath is where a volume is in the first container.
func mountPath(w manifest.Workload, volume string) string {
	for _, mount := range w.Container().VolumeMounts {
		if mount.Name == volume {
			return mount.MountPath
		}
	}
	return ""
}

// Helm 4 applies on the server, which refuses a name that is there twice; Helm 3 took the last.
func TestEnvironmentsHaveNoNameTwice(t *testing.T) {
	t.Parallel()
	everyPod(t, func(w inspected) {
		t := w.t
		for _, c := range w.Containers() {
			seen := map[string]bool{}
			for _, variable := range c.Env {
				if seen[variable.Name] {
					t.Errorf("%s has %s twice", c.Name, variable.Name)
				}
				seen[variable.Name] = true
			}
		}
	})
}

// A variable of the kubelet's own expansion has to stand before who uses it.
func TestEnvironmentsAreInOrder(t *testing.T) {
	t.Parallel()
	reference := regexp.MustCompile(`\$\(([A-Z_]+)\)`)
	everyPod(t, func(w inspected) {
		t := w.t
		for _, c := range w.Containers() {
			var known []string
			for _, variable := range c.Env {
				for _, used := range reference.FindAllStringSubmatch(variable.Value, -1) {
					if !slices.Contains(known, used[1]) {
						t.Errorf("%s: %s uses %s, which is not there yet", c.Name, variable.Name, used[1])
					}
				}
				known = append(known, variable.Name)
			}
		}
	})
}

// Passwords and keys are made inside the cluster: a render goes through CI, git and chat.
func TestRendersHaveNoSecrets(t *testing.T) {
	t.Parallel()
	inURL := regexp.MustCompile(`[a-z]+://[^\s/:@]*:([^\s/@]+)@`)
	long := regexp.MustCompile(`\b([0-9a-f]{32,}|eye_[a-z]+_\w+|-----BEGIN [A-Z ]+-----)`)
	eachVariant(t, func(v variant) {
		t := v.t
		for _, secret := range manifest.OfKind(v.objects, "Secret") {
			t.Errorf("%s is rendered", secret)
		}
		for line := range strings.Lines(all(v.release)) {
			if found := inURL.FindStringSubmatch(line); found != nil && !strings.HasPrefix(found[1], "$(") {
				t.Errorf("a URL with a password: %s", line)
			}
			if long.MatchString(line) && !strings.Contains(line, "checksum/") {
				t.Errorf("looks like a secret: %s", line)
			}
		}
	})
}
