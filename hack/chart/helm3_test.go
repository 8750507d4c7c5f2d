package chart_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"

	"github.com/theeye-dev/theeye/hack/chart/render"
)

// Helm 3 and Helm 4 make the same of the chart: the same objects in the same order, but for empty lines.
func TestHelm3(t *testing.T) {
	t.Parallel()
	eachVariant(t, func(v variant) {
		t := v.t
		old, err := helm3(request(v.values))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(v.objects, read(t, v.name, v.values, old).objects); diff != "" {
			t.Errorf("objects differ (-4 +3):\n%s", diff)
		}
		if diff := cmp.Diff(occasions(v.release), occasions(old)); diff != "" || v.release.Notes != old.Notes {
			t.Errorf("hooks or notes differ (-4 +3):\n%s\n%s", diff, cmp.Diff(v.release.Notes, old.Notes))
		}
	})
}

// occasions are when which hooks are due.
func occasions(r *render.Release) []string {
	var all []string
	for _, hook := range r.Hooks {
		all = append(all, hook.Path+" "+strings.Join(hook.Events, ","))
	}
	return all
}

// helm3 is render.Chart by Helm 3.
func helm3(r render.Request) (*render.Release, error) {
	loaded, err := loader.Load(r.Chart)
	if err != nil {
		return nil, err
	}
	install := action.NewInstall(&action.Configuration{Log: func(string, ...any) {}})
	install.ClientOnly, install.DryRun, install.Replace = true, true, true
	install.ReleaseName, install.Namespace, install.APIVersions = r.Release, r.Namespace, r.APIVersions
	if install.KubeVersion, err = chartutil.ParseKubeVersion(r.KubeVersion); err != nil {
		return nil, err
	}
	answer, err := install.Run(loaded, r.Values)
	if err != nil {
		return nil, err
	}
	rendered := &render.Release{Manifest: answer.Manifest, Notes: answer.Info.Notes}
	for _, hook := range answer.Hooks {
		var events []string
		for _, event := range hook.Events {
			events = append(events, event.String())
		}
		slices.Sort(events)
		rendered.Hooks = append(rendered.Hooks, render.Hook{Path: hook.Path, Events: events, Manifest: hook.Manifest})
	}
	return rendered, nil
}
