package alerts

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// ours is the matcher that every selector has: another release's figures are none of this one's.
const ours = `namespace="theeye-system"`

// foreign are the labels that no metric has of itself: Prometheus gives them to what it scrapes (and calls a metric's own
// namespace exported_namespace), or an expression does.
var foreign = []string{"namespace", "pod", "component"} //nolint:gochecknoglobals // a constant

// discrete are the labels whose values are as fixed as names: an alert on a value that nobody tells never fires.
var discrete = []string{"outcome", "check", "type", "reason"} //nolint:gochecknoglobals // a constant

// Every expression parses, and speaks of this release alone.
func TestExpressions(t *testing.T) {
	t.Parallel()
	for owner, list := range expressions(t) {
		for _, text := range list {
			for selector := range selectors(t, owner, text) {
				if !slices.ContainsFunc(selector.LabelMatchers, func(m *labels.Matcher) bool { return m.String() == ours }) {
					t.Errorf("%s: %v is not of this release alone", owner, selector)
				}
			}
		}
	}
}

// What alerts and dashboard name is written down, and no more: in metrics.txt, which services/metrics_test.go holds against
// what the running services tell, or in foreign.txt, when others tell it.
func TestMetricsAreWrittenDown(t *testing.T) {
	t.Parallel()
	used, written := map[string]bool{}, map[string]bool{}
	for owner, list := range expressions(t) {
		for _, text := range list {
			for selector, grouped := range selectors(t, owner, text) {
				note(used, selector, grouped)
			}
		}
	}
	for line := range strings.Lines(string(read(t, "metrics.txt")) + string(read(t, "foreign.txt"))) {
		words := strings.Fields(line)
		if len(words) < 2 || strings.HasPrefix(line, "#") {
			continue
		}
		written[words[1]] = true
		for _, label := range words[2:] {
			written[words[1]+" "+label] = true
		}
	}
	got, want := slices.Sorted(maps.Keys(written)), slices.Sorted(maps.Keys(used))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("metrics.txt and foreign.txt are not what is used (-used +written):\n%s", diff)
	}
}

// note adds a selector's metric, its labels, and their values where these are fixed; and the labels that it is grouped by.
func note(used map[string]bool, selector *parser.VectorSelector, grouped []string) {
	used[selector.Name] = true
	for _, label := range grouped {
		if !slices.Contains(foreign, label) {
			used[selector.Name+" "+label] = true
		}
	}
	for _, m := range selector.LabelMatchers {
		switch {
		case m.Name == model.MetricNameLabel || slices.Contains(foreign, m.Name):
		case slices.Contains(discrete, m.Name):
			for value := range strings.SplitSeq(m.Value, "|") {
				used[selector.Name+" "+m.Name+"="+value] = true
			}
		default:
			used[selector.Name+" "+m.Name] = true
		}
	}
}

// selectors are those of an expression, each with the labels that something around it groups by.
func selectors(t *testing.T, owner, text string) map[*parser.VectorSelector][]string {
	t.Helper()
	expression, err := parser.NewParser(parser.Options{}).ParseExpr(text)
	if err != nil {
		t.Errorf("%s: %v", owner, err)
		return nil
	}
	found := map[*parser.VectorSelector][]string{}
	parser.Inspect(expression, func(node parser.Node, above []parser.Node) error {
		selector, ok := node.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		found[selector] = nil
		for _, parent := range above {
			if aggregate, ok := parent.(*parser.AggregateExpr); ok {
				found[selector] = append(found[selector], aggregate.Grouping...)
			}
		}
		return nil
	})
	if len(found) == 0 {
		t.Errorf("%s: %s asks for nothing", owner, text)
	}
	return found
}
