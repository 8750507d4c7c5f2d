// Package ops is what every service needs to be run: flags with environment behind them, logs, traces and metrics,
// health, and HTTP servers that start and stop in order.
package ops
