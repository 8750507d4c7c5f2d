package testenv

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// Methods holds every path of api/openapi.yaml that has an operation of a service's tags, and the document's own, against
// every method: what is not documented there is answered 405 with those that are, and HEAD as GET is. Nobody's credential is
// sent: who may ask is another question.
func Methods(t testing.TB, base string, tags ...string) {
	t.Helper()
	agreed, err := agreement()
	if err != nil {
		t.Fatalf("testenv: read api/openapi.yaml: %v", err)
	}
	paths := map[string][]string{"/openapi.yaml": {http.MethodGet}}
	for path, item := range agreed.document.Paths.Map() {
		for method, operation := range item.Operations() {
			if slices.ContainsFunc(operation.Tags, func(tag string) bool { return slices.Contains(tags, tag) }) {
				paths[path] = append(paths[path], method)
			}
		}
	}
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		holdMethods(t, base+strings.NewReplacer("{uid}", "00000000-0000-4000-8000-000000000001", "{id}", "1").Replace(path), paths[path])
	}
}

// holdMethods asks one address by every method.
func holdMethods(t testing.TB, address string, documented []string) {
	t.Helper()
	if slices.Contains(documented, http.MethodGet) {
		documented = append(documented, http.MethodHead)
	}
	slices.Sort(documented)
	statuses := map[string]int{}
	for _, method := range []string{
		http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions, "PROPFIND",
	} {
		status, allow, err := askMethod(t, method, address)
		if err != nil {
			t.Fatalf("%s %s: %v", method, address, err)
		}
		statuses[method] = status
		if slices.Contains(documented, method) {
			if status == http.StatusMethodNotAllowed {
				t.Errorf("%s %s is documented, and answered 405", method, address)
			}
			continue
		}
		if got := slices.Sorted(slices.Values(strings.Split(allow, ", "))); status != http.StatusMethodNotAllowed || !slices.Equal(got, documented) {
			t.Errorf("%s %s is answered %d, Allow %q, and documented are %q", method, address, status, allow, documented)
		}
	}
	if statuses[http.MethodGet] != statuses[http.MethodHead] {
		t.Errorf("%s: GET is answered %d and HEAD %d", address, statuses[http.MethodGet], statuses[http.MethodHead])
	}
}

func askMethod(t testing.TB, method, address string) (status int, allow string, err error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, address, nil)
	if err != nil {
		return 0, "", fmt.Errorf("make request: %w", err)
	}
	response, err := http.DefaultTransport.RoundTrip(request) // which follows no redirect
	if err != nil {
		return 0, "", fmt.Errorf("send request: %w", err)
	}
	defer response.Body.Close() //nolint:errcheck // only read
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return 0, "", fmt.Errorf("read answer: %w", err)
	}
	return response.StatusCode, response.Header.Get("Allow"), nil
}
