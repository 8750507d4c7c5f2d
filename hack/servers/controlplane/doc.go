// Package controlplane runs a private Kubernetes control plane on 127.0.0.1, for tests: etcd, kube-apiserver and, when
// asked for, kube-controller-manager. There are no nodes, so nothing ever runs a pod; everything else is real: RBAC,
// service account tokens, admission, garbage collection and the audit log.
//
// The programs are made by hack/setup --control-plane. They are children of this process, and end with it however it
// ends.
package controlplane
