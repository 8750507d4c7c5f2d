// Package cluster is about the script find beside it, by which make e2e comes to a Kubernetes cluster.
package cluster
