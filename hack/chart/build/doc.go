// Command build makes what derives from the chart: its package (make chart) and the kustomize form in config/manager
// (make generate).
package main
