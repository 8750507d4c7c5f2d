// Package helm does to a release what people do with Helm's command, by Helm's own code: a machine that runs the suite
// needs no program installed.
package helm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/chart/loader"
	"helm.sh/helm/v4/pkg/cli"
	"helm.sh/helm/v4/pkg/kube"
	"helm.sh/helm/v4/pkg/release"
	v1 "helm.sh/helm/v4/pkg/release/v1"
	"helm.sh/helm/v4/pkg/storage/driver"
)

// Client works on one release.
type Client struct {
	// Values are what people would give with --set; nil: the chart's own.
	Values map[string]any

	kubeconfig, namespace, name string
}

// New makes a client for a release, which need not exist.
func New(kubeconfig, namespace, name string) (*Client, error) {
	kube.ManagedFieldsManager = "helm" // else it is this program's name, and fields of the command's own would conflict
	c := &Client{kubeconfig: kubeconfig, namespace: namespace, name: name}
	_, err := c.configuration() // a kubeconfig that is none shows here
	return c, err
}

// configuration is made anew for each action: what Helm knows of the cluster's kinds grows old when the CRD comes and goes.
func (c *Client) configuration() (*action.Configuration, error) {
	settings := cli.New()
	settings.KubeConfig = c.kubeconfig
	settings.SetNamespace(c.namespace)
	configuration := action.NewConfiguration(action.ConfigurationSetLogger(slog.DiscardHandler))
	if err := configuration.Init(settings.RESTClientGetter(), c.namespace, ""); err != nil {
		return nil, fmt.Errorf("start helm: %w", err)
	}
	return configuration, nil
}

// Install installs a package and waits for nothing but the hooks, as helm install does; it returns the notes.
func (c *Client) Install(ctx context.Context, file string, timeout time.Duration) (string, error) {
	configuration, err := c.configuration()
	if err != nil {
		return "", err
	}
	chart, err := loader.Load(file)
	if err != nil {
		return "", fmt.Errorf("load chart: %w", err)
	}
	install := action.NewInstall(configuration)
	install.ReleaseName, install.Namespace, install.CreateNamespace = c.name, c.namespace, true
	install.ServerSideApply, install.WaitStrategy, install.Timeout = true, kube.HookOnlyStrategy, timeout
	installed, err := install.RunWithContext(ctx, chart, c.Values)
	if err != nil {
		return "", fmt.Errorf("helm install: %w", err)
	}
	return notes(installed), nil
}

// Upgrade upgrades to a package and waits until everything runs, as helm upgrade --wait does.
func (c *Client) Upgrade(ctx context.Context, file string, timeout time.Duration) error {
	configuration, err := c.configuration()
	if err != nil {
		return err
	}
	chart, err := loader.Load(file)
	if err != nil {
		return fmt.Errorf("load chart: %w", err)
	}
	upgrade := action.NewUpgrade(configuration)
	upgrade.Namespace, upgrade.ServerSideApply, upgrade.Timeout = c.namespace, "auto", timeout
	upgrade.WaitStrategy = kube.StatusWatcherStrategy
	if _, err := upgrade.RunWithContext(ctx, c.name, chart, c.Values); err != nil {
		return fmt.Errorf("helm upgrade: %w", err)
	}
	return nil
}

// Test runs the release's tests and returns what they printed.
func (c *Client) Test(timeout time.Duration) (string, error) {
	configuration, err := c.configuration()
	if err != nil {
		return "", err
	}
	var printed bytes.Buffer
	configuration.SetHookOutputFunc(func(_, _, _ string) io.Writer { return &printed })
	testing := action.NewReleaseTesting(configuration)
	testing.Namespace, testing.Timeout = c.namespace, timeout
	tested, shutdown, err := testing.Run(c.name)
	if found, ok := tested.(*v1.Release); ok {
		_ = testing.GetPodLogs(&printed, found) // of Jobs Helm has none; hooks that failed printed theirs already
	}
	if err = errors.Join(err, shutdown()); err != nil {
		return printed.String(), fmt.Errorf("helm test: %w", err)
	}
	return printed.String(), nil
}

// Uninstall takes the release away and waits until its resources are gone. Without hooks it is the way out of a release
// that is broken. One that is not there is no error.
func (c *Client) Uninstall(timeout time.Duration, hooks bool) error {
	configuration, err := c.configuration()
	if err != nil {
		return err
	}
	uninstall := action.NewUninstall(configuration)
	uninstall.IgnoreNotFound, uninstall.DisableHooks, uninstall.Timeout = true, !hooks, timeout
	uninstall.WaitStrategy, uninstall.DeletionPropagation = kube.StatusWatcherStrategy, "foreground"
	if _, err := uninstall.Run(c.name); err != nil && !errors.Is(err, driver.ErrReleaseNotFound) {
		return fmt.Errorf("helm uninstall: %w", err)
	}
	return nil
}

func notes(installed release.Releaser) string {
	if r, ok := installed.(*v1.Release); ok && r.Info != nil {
		return r.Info.Notes
	}
	return ""
}
