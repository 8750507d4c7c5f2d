package chart_test

import (
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/theeye-dev/theeye/hack/chart/network"
)

// ports are those that are tried on everybody, beside their own: DNS, the API server, stores, and some that nobody should
// want.
var ports = []network.Port{ //nolint:gochecknoglobals // a table
	{Protocol: corev1.ProtocolUDP, Number: 53},
	{Protocol: corev1.ProtocolTCP, Number: 53},
	{Protocol: corev1.ProtocolTCP, Number: 443},
	{Protocol: corev1.ProtocolTCP, Number: 6443},
	{Protocol: corev1.ProtocolTCP, Number: 6379},
	{Protocol: corev1.ProtocolTCP, Number: 6380},
	{Protocol: corev1.ProtocolTCP, Number: 5432},
	{Protocol: corev1.ProtocolTCP, Number: 4318},
	{Protocol: corev1.ProtocolTCP, Number: 22},
	{Protocol: corev1.ProtocolTCP, Number: 8080},
}

// outsiders are who else is there. No policy is about them, and so only what they share with the release's pods counts.
func outsiders() []network.Endpoint {
	ingest := map[string]string{
		"app.kubernetes.io/name": "theeye", "app.kubernetes.io/instance": releaseName, "app.kubernetes.io/component": "operator",
	}
	twin := maps.Clone(ingest)
	twin["app.kubernetes.io/instance"] = "another"
	return []network.Endpoint{
		pod("shop", "shop", map[string]string{"app": "shop"}),
		pod("neighbour", releaseNamespace, map[string]string{"app": "neighbour"}), // in the release's own namespace
		pod("twin", releaseNamespace, twin),                                       // the operator of another release there
		pod("impostor", "elsewhere", ingest),                                      // with our operator's labels, elsewhere
		pod("prometheus", "monitoring", map[string]string{"app": "prometheus"}),
		pod("keda", "keda", map[string]string{"app": "keda-operator"}),
		{Name: "outside", Address: netip.MustParseAddr("203.0.113.7")}, // also the API server, which is no pod either
	}
}

func pod(name, namespace string, labels map[string]string) network.Endpoint {
	return network.Endpoint{
		Name: name, Namespace: namespace, Labels: labels,
		NamespaceLabels: map[string]string{"kubernetes.io/metadata.name": namespace}, Address: netip.MustParseAddr("10.244.0.9"),
	}
}

// insiders are the release's pods, hooks included.
func insiders(v variant) []network.Endpoint {
	var found []network.Endpoint
	for _, w := range v.pods {
		e := pod(w.Component(), releaseNamespace, w.Template.Labels)
		e.Ports = map[string]int32{}
		for _, c := range w.Containers() {
			for _, p := range c.Ports {
				e.Ports[p.Name] = p.ContainerPort
			}
		}
		found = append(found, e)
	}
	return found
}

// edges are all connections that the release's policies let through between its pods (of one component, too), and between
// them and others, a line for each: from -> to: port.
func edges(t *testing.T, v variant) []string {
	t.Helper()
	policies := network.Policies(typed[networkingv1.NetworkPolicy](t, v, "NetworkPolicy"))
	inside, outside := insiders(v), outsiders()
	var found []string
	for _, pod := range inside {
		for _, peer := range inside {
			for _, port := range reachable(t, policies, pod, peer) {
				found = append(found, pod.Name+" -> "+peer.Name+": "+port)
			}
		}
		in, out := map[string][]string{}, map[string][]string{}
		for _, stranger := range outside {
			for _, port := range reachable(t, policies, stranger, pod) {
				in[port] = append(in[port], stranger.Name)
			}
			for _, port := range reachable(t, policies, pod, stranger) {
				out[port] = append(out[port], stranger.Name)
			}
		}
		for port, names := range in {
			for _, from := range together(names) {
				found = append(found, from+" -> "+pod.Name+": "+port)
			}
		}
		for port, names := range out {
			for _, to := range together(names) {
				found = append(found, pod.Name+" -> "+to+": "+port)
			}
		}
	}
	slices.Sort(found)
	return found
}

// together names several outsiders: all, all that are pods, or one by one.
func together(names []string) []string {
	everybody := outsiders()
	switch {
	case len(names) == len(everybody):
		return []string{"anybody"}
	case len(names) == len(everybody)-1 && !slices.Contains(names, "outside"):
		return []string{"any pod"}
	}
	return names
}

// reachable are the ports by which one reaches another, those that the other has names for by name.
func reachable(t *testing.T, policies network.Policies, from, to network.Endpoint) []string {
	t.Helper()
	names := map[network.Port]string{}
	for _, port := range ports {
		names[port] = fmt.Sprintf("%d/%s", port.Number, port.Protocol)
	}
	for name, number := range to.Ports {
		names[network.Port{Protocol: corev1.ProtocolTCP, Number: number}] = name
	}
	var open []string
	for port, name := range names {
		allowed, err := policies.Allow(from, to, port)
		if err != nil {
			t.Fatal(err)
		}
		if allowed {
			open = append(open, name)
		}
	}
	if len(open) == len(names) {
		return []string{"everything"}
	}
	return open
}

// The tables in testdata/edges say what may speak to what. They are written by hand, and everything else is denied, in
// both directions. The local cluster's network enforces no policies: this is where they are tested.
func TestAllowedEdges(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("testdata", "edges", "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no tables: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			values, table, found := strings.Cut(string(text), "\n---\n")
			if !found {
				t.Fatal("no values before the table")
			}
			if diff := cmp.Diff(readTable(table), edges(t, with(t, values))); diff != "" {
				t.Errorf("what gets through is not what the table says (-table +policies):\n%s", diff)
			}
		})
	}
}

func readTable(text string) []string {
	var lines []string
	for line := range strings.Lines(text) {
		if line, _, _ = strings.Cut(line, "#"); strings.TrimSpace(line) != "" {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	slices.Sort(lines)
	return lines
}

// Every pod of a release has a policy for both directions: one that has none is open.
func TestEveryPodHasAPolicy(t *testing.T) {
	t.Parallel()
	eachVariant(t, func(v variant) {
		t := v.t
		if enabled, _ := dig(v.values, "networkPolicy", "enabled").(bool); !enabled && dig(v.values, "networkPolicy", "enabled") != nil {
			return
		}
		policies := network.Policies(typed[networkingv1.NetworkPolicy](t, v, "NetworkPolicy"))
		stranger := network.Endpoint{Name: "stranger", Address: netip.MustParseAddr("198.51.100.1")}
		odd := network.Port{Protocol: corev1.ProtocolSCTP, Number: 9}
		for _, e := range insiders(v) {
			leaves, err1 := policies.Allow(e, stranger, odd)
			enters, err2 := policies.Allow(stranger, e, odd)
			if leaves || enters || err1 != nil || err2 != nil {
				t.Errorf("%s: out %v, in %v, %v, %v", e.Name, leaves, enters, err1, err2)
			}
		}
	})
}

// Between the release's own pods both sides say the same: what one side alone denies is one mistake away from open. (With
// clients and readers named; by default those rules are for all pods.)
func TestBothSidesAgree(t *testing.T) {
	t.Parallel()
	v := with(t, `{networkPolicy: {clients: [{ipBlock: {cidr: 203.0.113.0/24}}], readers: [{podSelector: {matchLabels: {app: a}}}]}}`)
	policies := network.Policies(typed[networkingv1.NetworkPolicy](t, v, "NetworkPolicy"))
	agreed := 0
	for _, from := range insiders(v) {
		for _, to := range insiders(v) {
			for name, number := range to.Ports {
				port := network.Port{Protocol: corev1.ProtocolTCP, Number: number}
				leaves, err1 := policies.Leaves(from, to, port)
				enters, err2 := policies.Enters(from, to, port)
				if leaves != enters || err1 != nil || err2 != nil {
					t.Errorf("%s -> %s: %s leaves: %v, enters: %v; %v, %v", from.Name, to.Name, name, leaves, enters, err1, err2)
				}
				if leaves && enters {
					agreed++
				}
			}
		}
	}
	if agreed != 10 { // those of testdata/edges/defaults.txt that have two names
		t.Errorf("%d edges", agreed)
	}
}

// dig finds a value below others; nil where there is none.
func dig(values map[string]any, path ...string) any {
	var at any = values
	for _, key := range path {
		below, isMap := at.(map[string]any)
		if !isMap {
			return nil
		}
		at = below[key]
	}
	return at
}
