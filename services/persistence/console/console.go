package console

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/theeye-dev/theeye/services/internal/fault"
	"github.com/theeye-dev/theeye/services/internal/kit"
)

// Options of a Console.
type Options struct {
	API      http.Handler // persistence's
	Sessions *Sessions
	Observer *kit.Observer
	Now      func() time.Time
	Log      *slog.Logger
	Version  string // of TheEye, shown at the foot of each page
}

// Console serves the pages. It is safe for concurrent use.
type Console struct {
	Options
	assets *assets
	pages  map[string]*template.Template
}

// New returns a Console.
func New(o Options) (*Console, error) {
	files, err := fs.Sub(static, "static")
	if err != nil {
		return nil, fmt.Errorf("open static files: %w", err)
	}
	c := &Console{Options: o}
	if c.assets, err = loadAssets(files); err != nil {
		return nil, err
	}
	c.pages, err = c.parse()
	return c, err
}

// Handler serves the API where it is, and pages elsewhere.
func (c *Console) Handler() *http.ServeMux {
	pages := http.NewServeMux()
	c.route(pages)
	own := http.NewCrossOriginProtection()
	own.SetDenyHandler(http.HandlerFunc(c.foreign))
	guarded := secured(own.Handler(pages))
	missing := secured(c.Observer.Route("/", c.visited(nowhere)))
	mux := http.NewServeMux()
	mux.Handle("/v1/", c.API)
	mux.Handle("/openapi.yaml", c.API)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		switch _, pattern := pages.Handler(r); {
		case pattern != "":
			guarded.ServeHTTP(w, r)
		case wantsPage(r):
			missing.ServeHTTP(w, r)
		default:
			c.API.ServeHTTP(w, r) // which says that there is nothing, as to any client
		}
	})
	return mux
}

// foreign refuses what another site's page has sent. It is shown as to a stranger: nobody asked for it.
func (c *Console) foreign(w http.ResponseWriter, r *http.Request) {
	c.fail(&visit{client: &client{api: c.API, outer: r}, c: c, w: w, r: r}, fault.New(fault.CodeForbidden, "this form was sent from the page of another site"))
}

// wantsPage tells a browser from a program.
func wantsPage(r *http.Request) bool { return strings.Contains(r.Header.Get("Accept"), "text/html") }

// route has all pages.
func (c *Console) route(mux *http.ServeMux) {
	mux.Handle("GET /static/", c.assets)
	open := func(pattern string, handle func(*visit) error) { // to whoever it is, and while nobody can tell
		mux.Handle(pattern, c.Observer.Route(pattern, c.opened(handle)))
	}
	open("GET /login", c.showLogin)
	open("POST /login", c.login)
	open("POST /logout", c.logout)
	form := func(pattern string, handle func(*visit) error) { // it looks at its parameters itself
		mux.Handle(pattern, c.Observer.Route(pattern, c.visited(known(handle))))
	}
	page := func(pattern string, handle func(*visit) error, parameters ...string) {
		form(pattern, only(parameters, handle))
	}
	page("GET /{$}", c.overview, "span")
	form("GET /events", c.events)
	form("GET "+exportPath, c.export)
	page("GET /events/{id}", c.event, "id", "application")
	form("GET /sessions", c.sessions)
	form("GET /sessions/{id}", c.session)
	page("GET /sessions/{id}/erasure", c.erasure, "id")
	page("POST /sessions/{id}/erase", c.erase, "id")
	form("GET /failures", c.failures)
	page("GET /failures/{id}", c.failure, "dry_run")
	page("POST /failures/{id}/replay", c.replayOne)
	page("POST /failures/{id}/discard", c.discard)
	form("GET /replays", c.replays)
	page("POST /replays", c.replayMany)
	page("GET /replays/{id}", c.replay)
	page("POST /replays/{id}/cancel", c.cancelReplay)
	page("GET /applications", c.applications)
	page("GET /applications/{uid}", c.application)
	form("GET /tail", c.tail)
	form("GET "+streamPath, c.stream)
}

// only is a page that has these parameters and no other.
func only(parameters []string, handle func(*visit) error) func(*visit) error {
	return func(v *visit) error {
		if _, err := kit.Parameters(v.r, parameters...); err != nil {
			return err //nolint:wrapcheck // it is a fault, for whoever asks
		}
		return handle(v)
	}
}

// nowhere is every page that there is not.
func nowhere(v *visit) error {
	if v.id != "" {
		_ = v.identify() // without it there is no way on in the page, but to the overview
	}
	return fault.New(fault.CodeNotFound, "there is no page at "+v.r.URL.Path)
}

// visit is one request of a browser.
type visit struct {
	*client
	c   *Console
	w   http.ResponseWriter
	r   *http.Request
	id  string // of the session; "": none
	who *access
}

// fragment tells whether htmx asks for a part of a page.
func (v *visit) fragment() bool {
	return v.r.Header.Get("HX-Request") == "true" && v.r.Header.Get("HX-History-Restore-Request") != "true"
}

// opened makes a handler of a page that finds out itself who asks, where that matters.
func (c *Console) opened(handle func(*visit) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := &visit{client: &client{api: c.API, outer: r}, c: c, w: w, r: r}
		if err := handle(v); err != nil {
			c.fail(v, err)
		}
	})
}

// visited makes a handler of a page that knows whose session it is, if it is one's.
func (c *Console) visited(handle func(*visit) error) http.Handler {
	return c.opened(func(v *visit) error {
		if err := v.known(); err != nil {
			return err
		}
		return handle(v)
	})
}

// held is the id that the browser has, of a session that may have ended.
func (v *visit) held() string {
	cookie, err := v.r.Cookie(cookieName)
	if err != nil {
		return ""
	}
	return cookie.Value
}

// looks tells whether a page asks by itself, as the live tail and the progress of a replay or an erasure do. Nobody has done anything
// by that, and no session lives on by it.
func (v *visit) looks() bool {
	return v.r.URL.Path == streamPath || v.fragment() && v.r.Header.Get("HX-Trigger") == "progress"
}

// known finds the session of a cookie, if there is one.
func (v *visit) known() error {
	id := v.held()
	if id == "" {
		return nil
	}
	find := v.c.Sessions.Token
	if v.looks() {
		find = v.c.Sessions.Look
	}
	token, err := find(v.r.Context(), id)
	if errors.Is(err, errNoSession) {
		return nil
	}
	if err != nil {
		return fault.Wrap(fault.CodeUnavailable, "the store cannot tell now who is logged in", err)
	}
	v.id, v.client.token = id, token
	return nil
}

// known is a page for those who are logged in.
func known(handle func(*visit) error) func(*visit) error {
	return func(v *visit) error {
		if v.id == "" {
			return v.toLogin()
		}
		if err := v.identify(); err != nil {
			return err
		}
		return handle(v)
	}
}

// identify asks whose the token is.
func (v *visit) identify() error {
	who := &access{}
	if err := v.get("/v1/access", nil, who); err != nil {
		return err
	}
	v.who = who
	return nil
}

// refused is what is told of an error, which is logged if it is ours.
func (c *Console) refused(v *visit, err error) *refusal {
	if known := (*refusal)(nil); errors.As(err, &known) {
		return known
	}
	if fault.KindOf(err) == fault.Internal && !errors.Is(err, context.Canceled) {
		c.Log.ErrorContext(v.r.Context(), "page failed", "path", v.r.URL.Path, "error", err)
	}
	return refusalOf(err)
}

// fail answers with what went wrong. A token that is no longer taken ends its session.
func (c *Console) fail(v *visit, err error) {
	refused := c.refused(v, err)
	ended := refused.Code == fault.CodeUnauthenticated && v.id != ""
	if ended {
		c.forget(v)
	}
	refused.tell(v.w.Header())
	switch {
	case v.r.URL.Path == streamPath && !wantsPage(v.r):
		v.tell(refused)
	case ended:
		c.ended(v, refused)
	case v.fragment():
		_ = v.part(refused.Status, "error", "problem", refused)
	default:
		c.showError(v, refused)
	}
}

// showError is a page of its own about what went wrong.
func (c *Console) showError(v *visit, refused *refusal) {
	if err := v.show(refused.Status, "error", "", refused.Title, wayOn(v.r, refused)); err != nil {
		c.Log.ErrorContext(v.r.Context(), "page failed", "path", v.r.URL.Path, "error", err)
		http.Error(v.w, "the page could not be made; it is logged", http.StatusInternalServerError)
	}
}
