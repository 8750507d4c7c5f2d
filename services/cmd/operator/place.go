package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/theeye-dev/theeye/api/v1alpha1"
	"github.com/theeye-dev/theeye/services/internal/ops"
	"github.com/theeye-dev/theeye/services/operator"
)

const (
	// systemNamespace exists in every cluster for as long as the cluster does.
	systemNamespace = "kube-system"
	// kubeTimeout bounds what the API server is asked before the operator starts.
	kubeTimeout = 30 * time.Second
)

// place is where the operator works.
type place struct {
	cluster  string   // its id in auth's records
	unserved []string // of the watched namespaces
}

// look asks the API server, before anything starts, where the operator is and which namespaces it cannot serve.
func (c *options) look(ctx context.Context, config *rest.Config, telemetry *ops.Telemetry) (p place, err error) {
	scheme, err := operator.Scheme()
	if err != nil {
		return p, err
	}
	reader, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return p, fmt.Errorf("make client: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, kubeTimeout)
	defer cancel()
	if p.cluster, err = c.clusterID(ctx, reader); err != nil {
		return p, err
	}
	if p.unserved, err = unserved(ctx, reader, c.namespaces, telemetry.Log); err != nil {
		return p, err
	}
	gauge := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "theeye_operator_namespaces_unserved", Help: "Namespaces of --namespaces not served because their Secrets may not be read.",
	})
	gauge.Set(float64(len(p.unserved)))
	return p, telemetry.Registry.Register(gauge)
}

// clusterID is the UID of a namespace that stays as long as the cluster, whichever namespaces are watched: records under
// another id would be nobody's.
func (c *options) clusterID(ctx context.Context, reader client.Reader) (string, error) {
	if c.cluster != "" {
		return c.cluster, nil
	}
	var namespace corev1.Namespace
	if err := reader.Get(ctx, types.NamespacedName{Name: systemNamespace}, &namespace); err != nil {
		return "", fmt.Errorf("read namespace %s for the cluster's id (or set --cluster-id): %w", systemNamespace, err)
	}
	return string(namespace.UID), nil
}

// unserved are those of the namespaces whose Secrets may not be read. One of them would keep the cache, which is filled as
// a whole, from ever being there for the others. Their Applications are watched all the same, so that they can go.
func unserved(ctx context.Context, reader client.Reader, namespaces []string, log *slog.Logger) (left []string, err error) {
	for _, name := range namespaces {
		err := reader.List(ctx, &corev1.SecretList{}, client.InNamespace(name), client.HasLabels{v1alpha1.SecretLabel}, client.Limit(1))
		switch {
		case apierrors.IsForbidden(err):
			log.ErrorContext(ctx, "namespace is not served: it has not the Role theeye-operator and its binding (config/rbac/namespaced); "+
				"apply both and start the operator again", "namespace", name, "error", err)
			left = append(left, name)
		case err != nil:
			return nil, fmt.Errorf("see whether namespace %s may be served: %w", name, err)
		}
	}
	if len(left) == len(namespaces) && len(left) > 0 {
		return nil, errors.New("none of the --namespaces may be served: apply config/rbac/namespaced to each of them")
	}
	return left, nil
}
