// Package chart is where the Helm chart and the kustomize form in config are tested: what they render to, by both
// versions of Helm, and what a real API server says of it. The end-to-end suite on a real cluster is in e2e.
package chart
