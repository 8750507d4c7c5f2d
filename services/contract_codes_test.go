package services_test

import (
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/theeye-dev/theeye/api"
)

// elsewhere are the codes that no client provokes alone: the test of each, and how the test names it.
func elsewhere() map[string][3]string {
	return map[string][3]string{
		"request.timeout":           {"contract_trouble_test.go", "TestTroubleIsAnswered", "stall("},
		"service.starting":          {"readiness_test.go", "TestIngestIsNotReadyBeforeItHasReadTheLog", `"service.starting"`},
		"service.unsafe":            {"readiness_test.go", "TestUnsafeRedisIsRefused", `"service.unsafe"`},
		"service.unavailable":       {"isolation_test.go", "TestHangingPostgresIsAnswered503", `"service.unavailable"`},
		"service.overloaded":        {"contract_stop_test.go", "TestFullMemoryIsAnswered", `"service.overloaded"`},
		"service.shutting_down":     {"contract_stop_test.go", "TestIngestThatStopsAnswersUploads", `"service.shutting_down"`},
		"internal":                  {"internal/kit/kit_test.go", "TestHandler", "fault.CodeInternal"},
		"store.refused":             {"persistence/write_test.go", "TestDataThatJSONBRefuses", "store.refused"},
		"store.undecodable":         {"persistence/write_test.go", "TestWhatCannotBeReadBack", "store.undecodable"},
		"request.too_wide":          {"persistence/access_bounds_test.go", "TestPartsAreBounded", "fault.CodeTooWide"},
		"replay.no_original":        {"persistence/replay_test.go", "TestReplayOfWhatIsNotWhole", "replay.no_original"},
		"replay.no_application":     {"persistence/replay_test.go", "TestReplayOfWhatIsNotWhole", "replay.no_application"},
		"stream.too_many_listeners": {"persistence/tail_http_test.go", "TestListenersAreBounded", "fault.CodeManyListeners"},
		"export.too_many":           {"persistence/export_crowd_test.go", "TestNobodyTakesAllExports", "fault.CodeManyExports"},
	}
}

// ahead are the codes that the contract names before anything answers them.
func ahead() []string { return nil }

func situations() []string {
	return []string{unsplittable, unreadable, unknownKey, notAllowed, tooLarge, allInvalid, overRate}
}

// TestEveryCodeHasAPromise reads the codes from the contract: each has a promise, or a test elsewhere.
func TestEveryCodeHasAPromise(t *testing.T) {
	var document struct {
		Components struct {
			Schemas struct{ ProblemCode, EventCode struct{ Enum []string } }
		}
	}
	if err := yaml.Unmarshal(api.OpenAPI, &document); err != nil {
		t.Fatal(err)
	}
	shown, told := map[string]bool{}, map[string]bool{}
	for _, p := range promises() {
		shown[p.code], told[p.situation] = true, true
	}
	for _, situation := range situations() {
		if !told[situation] {
			t.Errorf("no promise is made for: %s", situation)
		}
	}
	for code, test := range elsewhere() {
		text, err := os.ReadFile(path.Clean(test[0]))
		if err != nil {
			t.Fatal(err)
		}
		_, body, _ := strings.Cut(string(text), "\nfunc "+test[1]+"(")
		if body, _, _ = strings.Cut(body, "\n}\n"); !strings.Contains(body, test[2]) || shown[code] {
			t.Errorf("%s: %s of %s says nothing of it, or there is a promise, too", code, test[1], test[0])
		}
		shown[code] = true
	}
	for _, code := range ahead() {
		if shown[code] {
			t.Errorf("%s is answered: nothing is ahead there any more", code)
		}
		shown[code] = true
	}
	codes := slices.Concat(document.Components.Schemas.ProblemCode.Enum, document.Components.Schemas.EventCode.Enum)
	if len(codes) < 40 {
		t.Fatalf("only %q are read", codes)
	}
	for _, code := range codes {
		if !shown[code] {
			t.Errorf("%s has no promise", code)
		}
	}
}
