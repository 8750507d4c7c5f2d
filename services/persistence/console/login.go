package console

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/theeye-dev/theeye/services/internal/fault"
)

const (
	// cookieName: browsers take one of this prefix only for the host itself, on all its paths, and over TLS (or on the same
	// machine): no neighbour under the same domain can set it.
	cookieName = "__Host-theeye"
	// maxForm is more than the longest token, which is a request's header at the API: 16 KiB.
	maxForm = 32 << 10
)

// access is who a token belongs to, and what it may read (GET /v1/access).
type access struct {
	User         string   `json:"user"`
	Kind         string   `json:"kind"` // admin, kubernetes or application
	All          bool     `json:"all"`
	Applications []member `json:"applications"`
	Partial      bool     `json:"partial"`  // there are more of them
	Unlisted     []string `json:"unlisted"` // verbs that are not told by application
}

// member is an application that somebody may do something with.
type member struct {
	UID       string   `json:"uid"`
	Namespace string   `json:"namespace"`
	Name      string   `json:"name"`
	Suspended bool     `json:"suspended"`
	Verbs     []string `json:"verbs"`
}

// Title is how people call it.
func (m member) Title() string {
	if m.Name == "" {
		return m.UID
	}
	return m.Namespace + "/" + m.Name
}

// loginForm is what the page with the form says.
type loginForm struct {
	Next   string
	Notice string // what happened
	Stuck  bool   // a login was right, and the browser did not keep its cookie
	Plain  bool   // the page came without TLS
	Lost   bool   // and so no browser will keep the cookie
	Refuse *refusal
}

func (c *Console) showLogin(v *visit) error {
	query := v.r.URL.Query()
	form := v.loginForm(query.Get("next"))
	if err := v.known(); err != nil { // nobody can tell now whether there is anything to do here
		return v.refuseLogin(form.Next, err)
	}
	if v.id != "" {
		return v.redirect(form.Next)
	}
	form.Stuck = query.Get("kept") == "no"
	switch query.Get("out") {
	case "yes":
		form.Notice = "You are logged out."
	case "here":
		form.Notice = "You are logged out: this browser has forgotten its session, and nothing else can open it. The store could not be told; it drops the session within two hours."
	}
	status := http.StatusOK
	if form.Stuck {
		status = http.StatusBadRequest // it should have a cookie
	}
	return v.show(status, "login", "", "Log in", form)
}

func (v *visit) loginForm(next string) loginForm {
	return loginForm{Next: local(next), Plain: v.r.TLS == nil, Lost: overPlainHTTP(v.r)}
}

// overPlainHTTP tells whether a page goes to a browser that will not keep a Secure cookie of it: one that has it neither by
// https, however far from here that ends, nor from its own machine. Browsers send Sec-Fetch headers only to where they
// would keep it, and have done so for years; older ones behind a proxy that tells nothing are warned without need.
func overPlainHTTP(r *http.Request) bool {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	address, err := netip.ParseAddr(strings.Trim(host, "[]"))
	own := err == nil && address.IsLoopback() || host == "localhost" || strings.HasSuffix(host, ".localhost")
	secure := r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https") || r.Header.Get("Sec-Fetch-Site") != ""
	return !own && !secure
}

// login checks a token by using it. Whatever goes wrong, the form is there to try again.
func (c *Console) login(v *visit) error {
	v.r.Body = http.MaxBytesReader(v.w, v.r.Body, maxForm)
	if err := v.r.ParseForm(); err != nil {
		return v.refuseLogin("/", fault.Wrap(fault.CodeMalformed, "the form cannot be read", err))
	}
	next, token := local(v.r.PostForm.Get("next")), strings.TrimSpace(v.r.PostForm.Get("token"))
	v.client.token = token
	who, err := v.checked(token)
	if err != nil {
		return v.refuseLogin(next, err)
	}
	id, err := c.Sessions.Begin(v.r.Context(), who.Kind+"\x00"+who.User, token)
	if err != nil {
		return v.refuseLogin(next, fault.Wrap(fault.CodeUnavailable, "the store cannot keep the session now", err))
	}
	if before := v.held(); before != "" { // of somebody else, maybe
		_ = c.Sessions.End(v.r.Context(), before) // it expires
	}
	http.SetCookie(v.w, cookie(id, int(absolute.Seconds())))
	return v.redirect("/login?" + url.Values{"kept": {"no"}, "next": {next}}.Encode()) // which goes on where the cookie was kept
}

// refuseLogin shows the form, and why it led nowhere.
func (v *visit) refuseLogin(next string, err error) error {
	refused := v.c.refused(v, err)
	refused.tell(v.w.Header())
	return v.show(refused.Status, "login", "", "Log in", v.refusedLogin(next, refused))
}

func (v *visit) refusedLogin(next string, refused *refusal) loginForm {
	form := v.loginForm(next)
	form.Refuse = refused
	return form
}

// checked asks whose a token is.
func (v *visit) checked(token string) (*access, error) {
	if token == "" || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, refusalOf(fault.New(fault.CodeUnauthenticated, "that is no token: it is one word of letters, digits and signs"))
	}
	who := &access{}
	return who, v.get("/v1/access", nil, who)
}

// endPatience is how long somebody waits who logs out while the store does not answer.
const endPatience = 2 * time.Second

// logout takes the cookie from the browser in any case: nothing else has what opens the session.
func (c *Console) logout(v *visit) error {
	out := "yes"
	if id := v.held(); id != "" {
		ctx, cancel := context.WithTimeout(v.r.Context(), endPatience)
		defer cancel()
		if err := c.Sessions.End(ctx, id); err != nil {
			c.Log.WarnContext(v.r.Context(), "session is left to expire", "error", err)
			out = "here"
		}
	}
	http.SetCookie(v.w, cookie("", -1))
	return v.redirect("/login?out=" + out)
}

// forget ends a session whose token is no longer taken, here and in the browser.
func (c *Console) forget(v *visit) {
	_ = c.Sessions.End(v.r.Context(), v.id) // it expires
	http.SetCookie(v.w, cookie("", -1))
	v.id = ""
}

// ended is shown to whom that was.
func (c *Console) ended(v *visit, refused *refusal) {
	v.w.Header().Set("HX-Redirect", v.loginAddress()) // a part of a page has no room for this
	form := v.refusedLogin(v.origin(), refused)
	form.Notice = "Your session has ended: its token is not taken any more."
	_ = v.show(http.StatusUnauthorized, "login", "", "Log in", form) // the browser may have gone
}

// toLogin asks who it is. What is no page, but read by a program or kept as a file, is refused: it would keep the form.
func (v *visit) toLogin() error {
	switch path := v.r.URL.Path; {
	case v.fragment():
		v.w.Header().Set("HX-Redirect", v.loginAddress())
		v.w.WriteHeader(http.StatusUnauthorized)
		return nil
	case path == streamPath, path == exportPath && !wantsPage(v.r):
		return errSessionOver()
	}
	return v.redirect(v.loginAddress())
}

// loginAddress is the form that leads back to where somebody was.
func (v *visit) loginAddress() string {
	return "/login?" + url.Values{"next": {v.origin()}}.Encode()
}

// origin is the page that somebody is at, or asks for: a login leads back there. A file belongs to the page that offers it,
// and what a form does to the page that has the form.
func (v *visit) origin() string {
	reads := v.r.Method == http.MethodGet || v.r.Method == http.MethodHead
	switch {
	case v.fragment():
		at, err := url.Parse(v.r.Header.Get("HX-Current-URL"))
		if err != nil {
			return "/"
		}
		return local(at.RequestURI())
	case reads && v.r.URL.Path == exportPath:
		f := filterOf(v.r.URL.Query(), eventFields()...)
		return local(f.Link("/events", "limit", "", "cursor", ""))
	case reads:
		return local(v.r.URL.RequestURI())
	}
	return local(back(v.r).To)
}

// redirect leads to another page of ours, and nowhere else.
func (v *visit) redirect(to string) error {
	if !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || !plain(to) {
		return fmt.Errorf("redirect to %q, which is no path of ours", to)
	}
	http.Redirect(v.w, v.r, to, http.StatusSeeOther)
	return nil
}

// cookie is for the browser alone: no script sees it, and no other site's request has it but one that opens a page.
func cookie(id string, age int) *http.Cookie {
	return &http.Cookie{
		Name: cookieName, Value: id, Path: "/", MaxAge: age, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
}
