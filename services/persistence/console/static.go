package console

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed static
var static embed.FS

// asset is a file as it is served.
type asset struct {
	content []byte
	name    string
}

// assets are served under names with their digest, and so may be kept for ever.
type assets struct {
	byURL map[string]asset
	urls  map[string]string // by the name in static
}

// loadAssets reads what is embedded.
func loadAssets(files fs.FS) (*assets, error) {
	a := &assets{byURL: map[string]asset{}, urls: map[string]string{}}
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(files, name)
		if err != nil {
			return err //nolint:wrapcheck // WalkDir's caller says what was read
		}
		sum := sha256.Sum256(content)
		url := "/static/" + hex.EncodeToString(sum[:8]) + "/" + path.Base(name)
		a.byURL[url], a.urls[name] = asset{content, path.Base(name)}, url
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read static files: %w", err)
	}
	return a, nil
}

// url names a file in templates.
func (a *assets) url(name string) (string, error) {
	if url, ok := a.urls[name]; ok {
		return url, nil
	}
	return "", fmt.Errorf("there is no static file %s", name)
}

func (a *assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	file, ok := a.byURL[r.URL.Path]
	if !ok {
		http.Error(w, "there is no such file", http.StatusNotFound)
		return
	}
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable") // a year: another content has another name
	if strings.HasSuffix(file.name, "LICENSE") {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	}
	http.ServeContent(w, r, file.name, time.Time{}, bytes.NewReader(file.content))
}
