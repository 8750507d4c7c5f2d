package console

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestVendoredFilesAreAsPublished: what others have made is theirs byte for byte, with their licences, and the README
// beside it says so.
func TestVendoredFilesAreAsPublished(t *testing.T) {
	t.Parallel()
	want := map[string]string{ // by the registry's packages htmx.org 2.0.11 and uplot 1.6.32
		"htmx.LICENSE":      "d3d2456f76414f2456104660ebd65aff1c04cd7966b942bdabd63f3cdb316a38",
		"htmx.min.js":       "d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717",
		"uPlot.LICENSE":     "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd",
		"uPlot.iife.min.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
		"uPlot.min.css":     "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
	}
	readme, err := fs.ReadFile(static, "static/vendor/README.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := fs.Glob(static, "static/vendor/*")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, file := range files {
		name := strings.TrimPrefix(file, "static/vendor/")
		if name == "README.md" {
			continue
		}
		content, err := fs.ReadFile(static, file)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(content)
		got[name] = hex.EncodeToString(sum[:])
		if !strings.HasSuffix(name, "LICENSE") && !strings.Contains(string(readme), "`"+got[name]+"`") {
			t.Errorf("the README does not tell the digest of %s", name)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("vendored files (-want +got):\n%s", diff)
	}
}

// TestAssets: a file is found under the name with its digest alone, and kept for ever.
func TestAssets(t *testing.T) {
	t.Parallel()
	files, err := fs.Sub(static, "static")
	if err != nil {
		t.Fatal(err)
	}
	a, err := loadAssets(files)
	if err != nil {
		t.Fatal(err)
	}
	for name, mediaType := range map[string]string{
		"app.css": "text/css; charset=utf-8", "app.js": "text/javascript; charset=utf-8", "eye.svg": "image/svg+xml", "vendor/htmx.LICENSE": "text/plain; charset=utf-8",
	} {
		url, err := a.url(name)
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		a.ServeHTTP(w, httptest.NewRequest(http.MethodGet, url, nil))
		if w.Code != http.StatusOK || w.Header().Get("Content-Type") != mediaType || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") || w.Body.Len() == 0 {
			t.Errorf("%s is answered %d %v", url, w.Code, w.Header())
		}
	}
	for _, path := range []string{"/static/app.css", "/static/", "/static/0000000000000000/app.css", "/static/../templates/layout.html"} {
		w := httptest.NewRecorder()
		a.ServeHTTP(w, &http.Request{Method: http.MethodGet, URL: httptest.NewRequest(http.MethodGet, "/x", nil).URL.JoinPath("..", path)})
		if w.Code != http.StatusNotFound || strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
			t.Errorf("%s is answered %d", path, w.Code)
		}
	}
	if _, err := a.url("nothing.js"); err == nil {
		t.Error("a template may name a file that there is not")
	}
}
