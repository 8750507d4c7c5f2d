package main

import (
	"log/slog"
	"net"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
)

// root is the repository's directory as tests see it.
const root = "../.."

// local starts a registry of this machine and returns its address.
func local(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(registry.New(registry.Logger(slog.NewLogLogger(slog.DiscardHandler, 0))))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func repository(t *testing.T, of string) name.Repository {
	t.Helper()
	to, err := name.NewRepository(of)
	if err != nil {
		t.Fatal(err)
	}
	return to
}

func TestDestinationIsWhatWasAskedForOrLocal(t *testing.T) {
	t.Parallel()
	there := local(t)
	for asked, want := range map[string]string{
		"":                             there + "/theeye-dev/theeye",
		"registry.example.com/a/place": "registry.example.com/a/place",
	} {
		to, err := destination(t.Context(), asked, there)
		if err != nil || to.String() != want {
			t.Errorf("asked for %q it is %s (%v), not %s", asked, to, err, want)
		}
	}
}

func TestNothingGoesToAPublicRegistryByAccident(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free := listener.Addr().String()
	_ = listener.Close()
	to, err := destination(t.Context(), "", free)
	if err == nil || !strings.Contains(err.Error(), "make image REGISTRY=") {
		t.Errorf("without a local registry images go to %q; error: %v", to, err)
	}
}

func TestTags(t *testing.T) {
	t.Parallel()
	chart := appVersionOf(t)
	for _, c := range []struct {
		to, version string
		want        []string
	}{
		{"127.0.0.1:5001/a/b", "v9-1-gabc-dirty", []string{"v9-1-gabc-dirty", chart}},
		{"localhost:5001/a/b", chart, []string{chart}},
		{"[::1]:5001/a/b", "v9", []string{"v9", chart}},
		{"ghcr.io/a/b", "v9", []string{"v9"}},
		{"10.0.0.1:5001/a/b", "v9", []string{"v9"}},
		{"127.0.0.1:5001/a/b", "", nil},
		{"127.0.0.1:5001/a/b", "feature/x", nil},
	} {
		got, err := tags(root, c.version, repository(t, c.to))
		if diff := cmp.Diff(c.want, got); diff != "" || (err == nil) != (c.want != nil) {
			t.Errorf("%q to %s: %v\n%s", c.version, c.to, err, diff)
		}
	}
}
