// Package render turns the chart into manifests with Helm 4's own code, as helm template does: without a cluster, and
// with nothing in the answer that another run would not say as well.
package render
