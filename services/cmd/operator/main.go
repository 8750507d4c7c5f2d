// Command operator reconciles Application resources: it gives every application its credentials in a Secret, and tells
// auth what each may do.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/go-logr/logr"
	"github.com/oklog/run"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/theeye-dev/theeye/services/internal/kube"
	"github.com/theeye-dev/theeye/services/internal/ops"
	"github.com/theeye-dev/theeye/services/operator"
)

func main() {
	var command string
	if len(os.Args) > 1 {
		command = os.Args[1]
	}
	switch command {
	case "passwords":
		do(&passwords{}, command, "makes the Secret of passwords for the Redis and PostgreSQL that come along, or adds what it lacks")
	case "retire":
		do(&retire{}, command, "ends the operator before an uninstall, and takes its finalizer off Applications, which stay")
	case "try":
		do(&try{}, command, "sends one event the whole way, from an Application of its own to a query, and clears away after itself")
	default:
		ops.Main("operator", parse, serve)
	}
}

// serve wires the operator and runs it until a signal or a failure:
//
//	Applications, Secrets ──▶ Reconciler ──▶ Secrets, auth, status
//	                              ▲ doubts
//	auth's records ──▶ Collector ─┘ ──▶ auth: records whose Application is gone
func serve(ctx context.Context, c *options) error {
	telemetry, err := ops.NewTelemetry(ctx, "operator", os.Stderr, c.log.Level)
	if err != nil {
		return err
	}
	defer ops.Flush(telemetry)
	logger := logr.FromSlogHandler(telemetry.Log.Handler())
	ctrl.SetLogger(logger)
	klog.SetLogger(logger)
	telemetry.Metrics = exposition(telemetry.Registry)

	config, err := kube.Config(c.kubeconfig)
	if err != nil {
		return err
	}
	config.QPS = -1 // the queue and its concurrency bound what is asked
	where, err := c.look(ctx, config, telemetry)
	if err != nil {
		return err
	}
	auth, persistence, err := c.remotes(telemetry.Log)
	if err != nil {
		return err
	}
	manager, err := operator.New(config, operator.Options{
		Settings: operator.Settings{
			Cluster: where.cluster, EventsURL: c.eventsURL, TokenURL: c.tokenURL, KeyEnv: c.keyEnv,
			RevokeTimeout: c.revokeTimeout, PollInterval: c.pollInterval,
		},
		Namespaces: c.namespaces, Unserved: where.unserved, Concurrency: c.concurrency, UsageInterval: c.usageInterval, CompareInterval: c.compareInterval,
		LeaderElectionNamespace: c.leaseNamespace(), LeaderElectionID: c.lease,
		Auth: auth, Persistence: persistence, Registerer: telemetry.Registry, Log: telemetry.Log, Now: time.Now,
	})
	if err != nil {
		return err
	}
	health := ops.Health{
		{Name: "cache", Probe: func(ctx context.Context) error {
			if !manager.GetCache().WaitForCacheSync(ctx) {
				return fmt.Errorf("the cache is not filled yet")
			}
			return nil
		}},
		{Name: "auth", Shared: true, Probe: auth.Ping},
		{Name: "persistence", Shared: true, Probe: persistence.Ping},
	}
	ports, err := c.serving.Bind(telemetry, nil, health)
	if err != nil {
		return err
	}
	telemetry.Log.InfoContext(ctx, "starting", "cluster_id", where.cluster, "namespaces", c.namespaces, "unserved", where.unserved, "version", ops.Version)

	var g run.Group
	g.Add(ports.Stopped(ctx))
	g.Add(ops.Actor(ctx, manager.Start)) // ends reconciliations in hand, then gives the lease away
	g.Add(ports.Operations.Run, ports.Operations.Stop)
	return g.Run()
}

// exposition adds controller-runtime's metrics, among them those of requests to the API server. It has collectors of
// the process as well, which are there already.
func exposition(own *prometheus.Registry) http.Handler {
	ctrlmetrics.Registry.Unregister(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	ctrlmetrics.Registry.Unregister(collectors.NewGoCollector(collectors.WithGoCollectorRuntimeMetrics(collectors.MetricsAll)))
	return promhttp.HandlerFor(prometheus.Gatherers{own, ctrlmetrics.Registry}, promhttp.HandlerOpts{})
}
