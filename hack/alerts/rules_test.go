package alerts

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// runbooks is where an alert's page is, for people.
const runbooks = "https://github.com/theeye-dev/theeye/blob/main/charts/theeye/runbooks/"

// promtool judges the rules and runs their tests. Without the tag, which go tool does not heed, it would be built with what
// finds targets in every cloud there is: ten minutes instead of one.
func TestPromtool(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what  []string
		files []string
	}{
		{[]string{"check", "rules", "--lint-fatal"}, glob(t, "files", "alerts", "*.yaml")},
		{[]string{"test", "rules"}, glob(t, "files", "alerts", "tests", "*.yaml")},
	} {
		args := append(append([]string{"run", "-tags", "remove_all_sd", "github.com/prometheus/prometheus/cmd/promtool"}, c.what...), c.files...)
		command := exec.CommandContext(t.Context(), "go", args...)
		if output, err := command.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(c.what, " "), err, output)
		}
	}
}

// expectations are promtool's, as far as they tell of which alert they are and whether it fires.
type expectations struct {
	Tests []struct {
		Expects []struct {
			Expr    string
			Samples []struct{ Labels string } `yaml:"exp_samples"`
		} `yaml:"promql_expr_test"`
	}
}

var alertName = regexp.MustCompile(`alertname="(\w+)",alertstate="firing"`)

// Each alert is seen firing, and seen not to.
func TestEveryAlertIsTested(t *testing.T) {
	t.Parallel()
	fires, quiet := map[string]bool{}, map[string]bool{}
	for _, file := range glob(t, "files", "alerts", "tests", "*.yaml") {
		var e expectations
		if err := yaml.Unmarshal(read(t, file), &e); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, test := range e.Tests {
			for _, expect := range test.Expects {
				found := alertName.FindStringSubmatch(expect.Expr)
				if found == nil {
					t.Fatalf("%s: %s is about no alert", file, expect.Expr)
				}
				fires[found[1]] = fires[found[1]] || len(expect.Samples) > 0
				quiet[found[1]] = quiet[found[1]] || len(expect.Samples) == 0
			}
		}
	}
	for _, rule := range rules(t) {
		if !fires[rule.Alert] || !quiet[rule.Alert] {
			t.Errorf("%s is seen firing: %t, quiet: %t", rule.Alert, fires[rule.Alert], quiet[rule.Alert])
		}
	}
}

// Each alert says how grave it is and what to do; each runbook is an alert's, and answers the same questions.
func TestRunbooks(t *testing.T) {
	t.Parallel()
	pages := map[string]bool{}
	for _, file := range glob(t, "runbooks", "TheEye*.md") {
		pages[strings.TrimSuffix(filepath.Base(file), ".md")] = true
		text := string(read(t, file))
		for _, part := range []string{"# " + strings.TrimSuffix(filepath.Base(file), ".md"), "\n## What it means\n", "\n## Impact\n", "\n## Diagnosis\n", "\n## Fix\n"} {
			if !strings.Contains(text, part) {
				t.Errorf("%s has no %q", file, part)
			}
		}
	}
	for _, rule := range rules(t) {
		if !pages[rule.Alert] || rule.Annotations["runbook_url"] != runbooks+rule.Alert+".md" {
			t.Errorf("%s has no runbook, or another's: %s", rule.Alert, rule.Annotations["runbook_url"])
		}
		delete(pages, rule.Alert)
		if severity := rule.Labels["severity"]; severity != "critical" && severity != "warning" {
			t.Errorf("%s is of severity %q", rule.Alert, severity)
		}
		if rule.Labels["namespace"] != "theeye-system" || rule.Annotations["summary"] == "" || rule.Annotations["description"] == "" {
			t.Errorf("%s lacks a namespace, a summary or a description", rule.Alert)
		}
	}
	for page := range pages {
		t.Errorf("runbooks/%s.md is of no alert", page)
	}
}
