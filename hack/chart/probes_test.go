package chart_test

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/theeye-dev/theeye/hack/chart/manifest"
)

// own are the components that are TheEye's services; ports their public and operations ports.
var own = map[string][]corev1.ContainerPort{ //nolint:gochecknoglobals // a table
	"ingest":      {{Name: "http", ContainerPort: 8080}, {Name: "ops", ContainerPort: 9080}},
	"auth":        {{Name: "http", ContainerPort: 8081}, {Name: "ops", ContainerPort: 9081}},
	"persistence": {{Name: "http", ContainerPort: 8082}, {Name: "ops", ContainerPort: 9082}},
	"operator":    {{Name: "ops", ContainerPort: 9083}},
}

// component finds the one workload of a component.
func (v variant) component(t *testing.T, name string) manifest.Workload {
	t.Helper()
	at := slices.IndexFunc(v.pods, func(w manifest.Workload) bool { return w.Component() == name })
	if at < 0 {
		t.Fatalf("no pods of %s", name)
	}
	return v.pods[at]
}

// Each service listens where its own defaults say, and is asked on its operations port what the path means:
// /healthz for a restart, /readyz for traffic.
func TestProbesAskTheRightPort(t *testing.T) {
	t.Parallel()
	eachVariant(t, func(v variant) {
		t := v.t
		for name, ports := range own {
			c := v.component(t, name).Container()
			if len(c.Ports) != len(ports) {
				t.Errorf("%s has the ports %v, want %v", name, c.Ports, ports)
			}
			for _, want := range ports {
				if !slices.ContainsFunc(c.Ports, func(p corev1.ContainerPort) bool {
					return p.Name == want.Name && p.ContainerPort == want.ContainerPort
				}) {
					t.Errorf("%s does not have the port %s %d", name, want.Name, want.ContainerPort)
				}
			}
			checkProbe(t, name+" startup", c.StartupProbe, "/healthz")
			checkProbe(t, name+" liveness", c.LivenessProbe, "/healthz")
			checkProbe(t, name+" readiness", c.ReadinessProbe, "/readyz")
		}
	})
}

func checkProbe(t *testing.T, name string, probe *corev1.Probe, path string) {
	t.Helper()
	if probe == nil || probe.HTTPGet == nil {
		t.Errorf("no probe for %s", name)
		return
	}
	if probe.HTTPGet.Path != path || probe.HTTPGet.Port != intstr.FromString("ops") {
		t.Errorf("%s asks %s on %s", name, probe.HTTPGet.Path, probe.HTTPGet.Port.String())
	}
}

// Whatever stays is asked whether it is ready and whether it is alive; what ends by itself is not.
func TestEveryServerHasProbes(t *testing.T) {
	t.Parallel()
	everyPod(t, func(w inspected) {
		t := w.t
		if kind := w.Object.GetKind(); kind != "Deployment" && kind != "StatefulSet" {
			return
		}
		for _, c := range w.Template.Spec.Containers {
			if c.ReadinessProbe == nil || c.LivenessProbe == nil || c.StartupProbe == nil {
				t.Errorf("%s lacks a probe", c.Name)
			}
		}
	})
}

// A pod is given the time that it takes to end: the drain, 15 seconds for requests in hand, 15 for a batch.
func TestGracePeriodsAreLongEnough(t *testing.T) {
	t.Parallel()
	eachVariant(t, func(v variant) {
		t := v.t
		for name := range own {
			w := v.component(t, name)
			need := 30 * time.Second
			for _, arg := range w.Container().Args {
				if drain, found := strings.CutPrefix(arg, "--drain-delay="); found {
					delay, err := time.ParseDuration(drain)
					if err != nil {
						t.Fatal(err)
					}
					need += delay
				}
			}
			grace := w.Template.Spec.TerminationGracePeriodSeconds
			if grace == nil || time.Duration(*grace)*time.Second <= need {
				t.Errorf("%s has %v seconds to end, and needs %v", name, grace, need)
			}
		}
	})
}

// flagsOf are the flags of a service, and the environment variables behind them, as its own help tells.
func flagsOf(t *testing.T, service string) (flags, variables []string) {
	t.Helper()
	cmd := exec.Command("go", "run", "./services/cmd/"+service, "-h")
	cmd.Dir = filepath.Join("..", "..")
	help, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s -h: %v\n%s", service, err, help)
	}
	for _, found := range regexp.MustCompile(`(?m)^\s+(--[a-z-]+).*\[(THEEYE_\w+)\]`).FindAllSubmatch(bytes.TrimSpace(help), -1) {
		flags, variables = append(flags, string(found[1])), append(variables, string(found[2]))
	}
	if len(flags) == 0 {
		t.Fatalf("%s tells of no flags:\n%s", service, help)
	}
	return flags, variables
}

// The chart says nothing that the services don't understand.
func TestArgumentsAreFlags(t *testing.T) {
	t.Parallel()
	all := variants(t)
	for service := range own {
		t.Run(service, func(t *testing.T) {
			t.Parallel()
			flags, variables := flagsOf(t, service)
			for name, values := range all {
				c := renderVariant(t, name, values).component(t, service).Container()
				for _, arg := range c.Args {
					if flag, _, _ := strings.Cut(arg, "="); !slices.Contains(flags, flag) {
						t.Errorf("%s: %s has no flag %s", name, service, arg)
					}
				}
				for _, variable := range c.Env {
					if strings.HasPrefix(variable.Name, "THEEYE_") && !slices.Contains(variables, variable.Name) {
						t.Errorf("%s: %s does not read %s", name, service, variable.Name)
					}
				}
			}
		})
	}
}
