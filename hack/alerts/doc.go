// Package alerts tests the chart's alerts and dashboard: that alerts fire when they should and not just before, that all
// expressions parse, name nothing but what services tell, and have a runbook. It is a module of its own because of what
// Prometheus is built from.
package alerts
