package render

import (
	"cmp"
	"fmt"
	"log/slog"
	"slices"

	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/loader"
	release "helm.sh/helm/v4/pkg/release/v1"
)

// OldestKubeVersion is the first that the chart takes. Helm's own default depends on how a program was built.
const OldestKubeVersion = "v1.30.0"

// Request says what is rendered.
type Request struct {
	// Chart is the folder of the chart, or its package.
	Chart string
	// Release and Namespace are those of the installation.
	Release, Namespace string
	// Values are laid over the chart's own.
	Values map[string]any
	// KubeVersion is the cluster's, like v1.37.0; empty: OldestKubeVersion.
	KubeVersion string
	// APIVersions are what the cluster has besides Kubernetes' own, like monitoring.coreos.com/v1.
	APIVersions []string
}

// Hook is a manifest that Helm applies at a moment of its own.
type Hook struct {
	// Path is the template it comes from, like theeye/templates/hooks/passwords.yaml.
	Path string
	// Events are the moments, as the annotation helm.sh/hook names them.
	Events []string
	// Manifest is the YAML of one object.
	Manifest string
}

// Release is what the chart rendered to.
type Release struct {
	// Manifest has all objects but the hooks, as YAML documents in the order in which Helm installs them.
	Manifest string
	// Hooks come in Helm's order: by weight, then kind, then name.
	Hooks []Hook
	// Notes is what people read after an installation.
	Notes string
}

// Chart renders a chart. The error is Helm's own when values do not fit the schema or a template fails.
func Chart(request Request) (*Release, error) {
	loaded, err := loader.Load(request.Chart)
	if err != nil {
		return nil, fmt.Errorf("load the chart: %w", err)
	}
	install := action.NewInstall(action.NewConfiguration(action.ConfigurationSetLogger(slog.DiscardHandler)))
	install.DryRunStrategy = action.DryRunClient
	install.Replace = true // no release is looked for
	install.ReleaseName, install.Namespace = request.Release, request.Namespace
	install.APIVersions = request.APIVersions
	if install.KubeVersion, err = common.ParseKubeVersion(cmp.Or(request.KubeVersion, OldestKubeVersion)); err != nil {
		return nil, fmt.Errorf("parse the version of Kubernetes: %w", err)
	}
	answer, err := install.Run(loaded, request.Values)
	if err != nil {
		return nil, err
	}
	rendered, ok := answer.(*release.Release)
	if !ok {
		return nil, fmt.Errorf("helm answered %T", answer)
	}
	return &Release{Manifest: rendered.Manifest, Hooks: hooks(rendered.Hooks), Notes: rendered.Info.Notes}, nil
}

// hooks takes from Helm's hooks what does not depend on a run of them.
func hooks(of []*release.Hook) []Hook {
	var all []Hook
	for _, hook := range of {
		var events []string
		for _, event := range hook.Events {
			events = append(events, event.String())
		}
		slices.Sort(events)
		all = append(all, Hook{Path: hook.Path, Events: events, Manifest: hook.Manifest})
	}
	return all
}
