package console

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"path"
	"strings"
)

//go:embed templates
var templates embed.FS

// view is what every template is given.
type view struct {
	Title   string
	Nav     string // the entry of the navigation that this belongs to
	Who     *access
	Path    string
	Version string
	Body    any
}

// parse reads the layout with each page.
func (c *Console) parse() (map[string]*template.Template, error) {
	layout, err := template.New("layout.html").Funcs(c.functions()).ParseFS(templates, "templates/layout.html", "templates/parts.html")
	if err != nil {
		return nil, fmt.Errorf("parse layout: %w", err)
	}
	names, err := fs.Glob(templates, "templates/*.html")
	if err != nil {
		return nil, fmt.Errorf("list templates: %w", err)
	}
	pages := map[string]*template.Template{}
	for _, file := range names {
		name := strings.TrimSuffix(path.Base(file), ".html")
		if name == "layout" || name == "parts" {
			continue
		}
		page, err := template.Must(layout.Clone()).ParseFS(templates, file)
		if err != nil {
			return nil, fmt.Errorf("parse %s: %w", file, err)
		}
		pages[name] = page
	}
	return pages, nil
}

// show answers with a page.
func (v *visit) show(status int, name, nav, title string, body any) error {
	return v.write(status, name, "layout.html", view{title, nav, v.who, v.r.URL.RequestURI(), v.c.Version, body})
}

// part answers with one template of a page.
func (v *visit) part(status int, name, part string, body any) error {
	return v.write(status, name, part, body)
}

// write renders before it answers: what fails is no half page.
func (v *visit) write(status int, name, part string, data any) error {
	var page bytes.Buffer
	if err := v.c.pages[name].ExecuteTemplate(&page, part, data); err != nil {
		return fmt.Errorf("render %s: %w", name, err)
	}
	v.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	v.w.Header().Set("Vary", "HX-Request, Cookie")
	v.w.WriteHeader(status)
	_, _ = page.WriteTo(v.w) // the browser may have gone
	return nil
}
