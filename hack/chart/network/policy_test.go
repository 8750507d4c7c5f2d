package network_test

import (
	"net/netip"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"sigs.k8s.io/yaml"

	"github.com/theeye-dev/theeye/hack/chart/network"
)

// The cast of all cases: two pods of one namespace, one of another, and an address outside.
func cast() map[string]network.Endpoint {
	shop := map[string]string{"kubernetes.io/metadata.name": "shop"}
	return map[string]network.Endpoint{
		"web": {
			Namespace: "shop", NamespaceLabels: shop, Labels: map[string]string{"app": "web"},
			Address: netip.MustParseAddr("10.0.0.1"), Ports: map[string]int32{"http": 8080},
		},
		"db": {
			Namespace: "shop", NamespaceLabels: shop, Labels: map[string]string{"app": "db"},
			Address: netip.MustParseAddr("10.0.0.2"), Ports: map[string]int32{"http": 5432},
		},
		"other": {
			Namespace: "other", NamespaceLabels: map[string]string{"kubernetes.io/metadata.name": "other"},
			Labels: map[string]string{"app": "web"}, Address: netip.MustParseAddr("10.0.0.3"),
		},
		"outside": {Address: netip.MustParseAddr("203.0.113.7")},
	}
}

// What a policy for the pod db lets through; each case is one sentence of the API's documentation.
func TestAllow(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spec     string
		from, to string
		port     int32
		want     bool
	}{
		"unselected pods are open":                 {`podSelector: {matchLabels: {app: none}}`, "outside", "db", 5432, true},
		"selected pods are closed":                 {`podSelector: {}`, "web", "db", 5432, false},
		"an address outside is nobody's to close":  {`podSelector: {}`, "web", "outside", 443, true},
		"without types there is no egress":         {`podSelector: {}`, "db", "other", 80, true},
		"egress rules are a type":                  {`{podSelector: {}, egress: [{ports: [{port: 53}]}]}`, "db", "other", 80, false},
		"a type without rules denies":              {`{podSelector: {}, policyTypes: [Egress]}`, "db", "other", 80, false},
		"and only its own direction":               {`{podSelector: {matchLabels: {app: db}}, policyTypes: [Egress]}`, "web", "db", 5432, true},
		"an empty rule is for all":                 {`{podSelector: {}, ingress: [{}]}`, "outside", "db", 1, true},
		"pods of the policy's namespace":           {`{podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]}`, "web", "db", 1, true},
		"and not of another":                       {`{podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]}`, "other", "db", 1, false},
		"an empty namespace selector is all":       {`{podSelector: {}, ingress: [{from: [{namespaceSelector: {}}]}]}`, "other", "db", 1, true},
		"all namespaces are not the world":         {`{podSelector: {}, ingress: [{from: [{namespaceSelector: {}}]}]}`, "outside", "db", 1, false},
		"both selectors of a peer have to match":   {`{podSelector: {}, ingress: [{from: [{namespaceSelector: {}, podSelector: {matchLabels: {app: db}}}]}]}`, "other", "db", 1, false},
		"a block has addresses":                    {`{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 203.0.113.0/24}}]}]}`, "outside", "db", 1, true},
		"with holes":                               {`{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0, except: [203.0.113.0/28]}}]}]}`, "outside", "db", 1, false},
		"in which pods may be":                     {`{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}}]}]}`, "other", "db", 1, true},
		"a port is that port":                      {`{podSelector: {}, ingress: [{ports: [{port: 5432}]}]}`, "web", "db", 5432, true},
		"and no other":                             {`{podSelector: {}, ingress: [{ports: [{port: 5432}]}]}`, "web", "db", 5433, false},
		"a range includes its end":                 {`{podSelector: {}, ingress: [{ports: [{port: 5000, endPort: 5432}]}]}`, "web", "db", 5432, true},
		"a protocol without a port is all":         {`{podSelector: {}, ingress: [{ports: [{protocol: TCP}]}]}`, "web", "db", 9, true},
		"UDP is not TCP":                           {`{podSelector: {}, ingress: [{ports: [{protocol: UDP}]}]}`, "web", "db", 9, false},
		"an ingress name is its own pod's":         {`{podSelector: {}, ingress: [{ports: [{port: http}]}]}`, "web", "db", 5432, true},
		"and an egress name the receiver's":        {`{podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [{ports: [{port: http}]}]}`, "web", "db", 5432, true},
		"a name that the receiver has not is none": {`{podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: http}]}]}`, "web", "other", 8080, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := network.Policies{policy(t, c.spec)}.Allow(cast()[c.from], cast()[c.to], tcp(c.port))
			if err != nil || got != c.want {
				t.Errorf("%s -> %s:%d = %v, %v; want %v", c.from, c.to, c.port, got, err, c.want)
			}
		})
	}
}

// Policies add up: what one of them allows is allowed.
func TestPoliciesAddUp(t *testing.T) {
	t.Parallel()
	closed := policy(t, `podSelector: {}`)
	open := policy(t, `{podSelector: {matchLabels: {app: db}}, ingress: [{ports: [{port: 5432}]}]}`)
	for _, policies := range []network.Policies{{closed, open}, {open, closed}} {
		if got, err := policies.Allow(cast()["web"], cast()["db"], tcp(5432)); err != nil || !got {
			t.Errorf("allow = %v, %v; want true", got, err)
		}
	}
}

// A connection needs the leave of both sides.
func TestBothSidesDecide(t *testing.T) {
	t.Parallel()
	leaves := policy(t, `{podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [{ports: [{port: 5432}]}]}`)
	closed := policy(t, `podSelector: {matchLabels: {app: db}}`)
	if got, err := (network.Policies{leaves, closed}).Allow(cast()["web"], cast()["db"], tcp(5432)); err != nil || got {
		t.Errorf("allow = %v, %v; want false", got, err)
	}
}

// A selector that says nothing sensible is an error, not an open door.
func TestFaultyPolicies(t *testing.T) {
	t.Parallel()
	for _, spec := range []string{
		`podSelector: {matchExpressions: [{key: a, operator: Wrong}]}`,
		`{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: wrong}}]}]}`,
	} {
		if _, err := (network.Policies{policy(t, spec)}).Allow(cast()["web"], cast()["db"], tcp(1)); err == nil {
			t.Errorf("%s: no error", spec)
		}
	}
}

func tcp(port int32) network.Port { return network.Port{Protocol: corev1.ProtocolTCP, Number: port} }

func policy(t *testing.T, spec string) networkingv1.NetworkPolicy {
	t.Helper()
	p := networkingv1.NetworkPolicy{}
	p.Name, p.Namespace = "tested", "shop"
	if err := yaml.UnmarshalStrict([]byte(spec), &p.Spec); err != nil {
		t.Fatal(err)
	}
	return p
}
