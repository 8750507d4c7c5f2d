// Package network says what NetworkPolicies let through, for clusters whose network does not enforce them, and for
// tables of what may speak to what. It follows the NetworkPolicy API's own words: a pod that no policy selects is open;
// one that is selected lets through what at least one rule of one policy lets through; a connection needs the sender's
// leave and the receiver's.
package network

import (
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// Endpoint is who can speak or be spoken to: a pod, or, without a namespace, an address outside the cluster's pods.
type Endpoint struct {
	Name            string
	Namespace       string
	NamespaceLabels map[string]string
	Labels          map[string]string
	Address         netip.Addr
	Ports           map[string]int32 // container ports that have names
}

// pod says whether selectors can find it. Pods of the host's network are none in this sense.
func (e Endpoint) pod() bool { return e.Namespace != "" }

// Port is what a connection is made to.
type Port struct {
	Protocol corev1.Protocol
	Number   int32
}

// Policies are all that a cluster has.
type Policies []networkingv1.NetworkPolicy

// Allow says whether a connection gets through: whether both sides let it.
func (p Policies) Allow(from, to Endpoint, port Port) (bool, error) {
	if leaves, err := p.Leaves(from, to, port); err != nil || !leaves {
		return false, err
	}
	return p.Enters(from, to, port)
}

// Leaves says whether the sender's policies let a connection out.
func (p Policies) Leaves(from, to Endpoint, port Port) (bool, error) {
	return p.direction(from, to, to, port, networkingv1.PolicyTypeEgress)
}

// Enters says whether the receiver's policies let a connection in.
func (p Policies) Enters(from, to Endpoint, port Port) (bool, error) {
	return p.direction(to, from, to, port, networkingv1.PolicyTypeIngress)
}

// direction says whether the policies of one side let its peer through. Named ports are always the receiver's.
func (p Policies) direction(side, peer, receiver Endpoint, port Port, kind networkingv1.PolicyType) (bool, error) {
	selected := false
	for _, policy := range p {
		applies, err := appliesTo(policy, side, kind)
		if err != nil {
			return false, fmt.Errorf("policy %s: %w", policy.Name, err)
		}
		if !applies {
			continue
		}
		selected = true
		for _, rule := range rules(policy, kind) {
			allowed, err := rule.allows(policy.Namespace, peer, receiver, port)
			if err != nil {
				return false, fmt.Errorf("policy %s: %w", policy.Name, err)
			}
			if allowed {
				return true, nil
			}
		}
	}
	return !selected, nil
}

func appliesTo(policy networkingv1.NetworkPolicy, e Endpoint, kind networkingv1.PolicyType) (bool, error) {
	if !e.pod() || policy.Namespace != e.Namespace || !slices.Contains(types(policy), kind) {
		return false, nil
	}
	return matches(&policy.Spec.PodSelector, e.Labels)
}

// types are the directions that a policy restricts: without any said, ingress always, and egress if it has such rules.
func types(policy networkingv1.NetworkPolicy) []networkingv1.PolicyType {
	if len(policy.Spec.PolicyTypes) > 0 {
		return policy.Spec.PolicyTypes
	}
	if len(policy.Spec.Egress) > 0 {
		return []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress}
	}
	return []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}
}

// rule is one of either direction: they have the same form.
type rule struct {
	peers []networkingv1.NetworkPolicyPeer
	ports []networkingv1.NetworkPolicyPort
}

func rules(policy networkingv1.NetworkPolicy, kind networkingv1.PolicyType) []rule {
	var all []rule
	if kind == networkingv1.PolicyTypeIngress {
		for _, ingress := range policy.Spec.Ingress {
			all = append(all, rule{ingress.From, ingress.Ports})
		}
		return all
	}
	for _, egress := range policy.Spec.Egress {
		all = append(all, rule{egress.To, egress.Ports})
	}
	return all
}

// allows says whether the rule lets a peer through: no peers are all peers, no ports are all ports.
func (r rule) allows(namespace string, peer, receiver Endpoint, port Port) (bool, error) {
	if len(r.ports) > 0 && !slices.ContainsFunc(r.ports, func(p networkingv1.NetworkPolicyPort) bool { return covers(p, receiver, port) }) {
		return false, nil
	}
	for _, p := range r.peers {
		found, err := includes(p, namespace, peer)
		if err != nil || found {
			return found, err
		}
	}
	return len(r.peers) == 0, nil
}

func includes(p networkingv1.NetworkPolicyPeer, namespace string, peer Endpoint) (bool, error) {
	if p.IPBlock != nil {
		return inBlock(*p.IPBlock, peer.Address)
	}
	if !peer.pod() {
		return false, nil
	}
	if p.NamespaceSelector == nil && peer.Namespace != namespace {
		return false, nil
	}
	if p.NamespaceSelector != nil {
		if found, err := matches(p.NamespaceSelector, peer.NamespaceLabels); err != nil || !found {
			return false, err
		}
	}
	if p.PodSelector == nil {
		return true, nil
	}
	return matches(p.PodSelector, peer.Labels)
}

// inBlock counts pods, too: some networks match their addresses against blocks and some don't, and a table of what is
// denied has to hold on both.
func inBlock(block networkingv1.IPBlock, address netip.Addr) (bool, error) {
	prefix, err := netip.ParsePrefix(block.CIDR)
	if err != nil {
		return false, fmt.Errorf("read block: %w", err)
	}
	for _, except := range block.Except {
		hole, err := netip.ParsePrefix(except)
		if err != nil {
			return false, fmt.Errorf("read exception: %w", err)
		}
		if hole.Contains(address) {
			return false, nil
		}
	}
	return prefix.Contains(address), nil
}

// covers says whether a rule's port is the connection's.
func covers(p networkingv1.NetworkPolicyPort, receiver Endpoint, port Port) bool {
	protocol := corev1.ProtocolTCP
	if p.Protocol != nil {
		protocol = *p.Protocol
	}
	if protocol != port.Protocol {
		return false
	}
	if p.Port == nil {
		return true
	}
	if p.Port.StrVal != "" {
		number, named := receiver.Ports[p.Port.StrVal]
		return named && number == port.Number
	}
	if p.EndPort != nil {
		return p.Port.IntVal <= port.Number && port.Number <= *p.EndPort
	}
	return p.Port.IntVal == port.Number
}

func matches(selector *metav1.LabelSelector, set map[string]string) (bool, error) {
	compiled, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		return false, fmt.Errorf("read selector: %w", err)
	}
	return compiled.Matches(labels.Set(set)), nil
}
