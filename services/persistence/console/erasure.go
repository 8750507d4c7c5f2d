package console

import (
	"net/http"

	"github.com/theeye-dev/theeye/services/internal/fault"
	"github.com/theeye-dev/theeye/services/persistence"
)

// erasure is how far the latest erasure of a session is, as its page shows it.
type erasure struct {
	*persistence.Erasure // nil: there never was one, or that cannot be told
	ID                   string
	Refuse               *refusal // why that cannot be told
	Late                 bool     // the page around it is older
}

// Running tells whether there is something to wait for.
func (e erasure) Running() bool { return e.State == persistence.Erasing }

// erasureOf asks how far the latest erasure of a session is.
func (v *visit) erasureOf(id string) (e erasure, err error) {
	e.ID = id
	known := &persistence.Erasure{}
	e.Refuse, err = part(v.get("/v1/sessions/"+segment(id)+"/erasure", nil, known))
	switch {
	case err != nil:
	case e.Refuse == nil:
		e.Erasure = known
	case e.Refuse.Code == fault.CodeNotFound:
		e.Refuse = nil
	}
	return e, err
}

// unstoredPage is that of a session without a stored event, for whoever may erase what else there is of it.
type unstoredPage struct {
	ID      string
	Refuse  *refusal
	Erasure erasure
	Part    bool // one application was asked for, and others may have events of it
}

// unstored shows such a session. It may have failures, or something of it may be on its way, or it is erased: of none of that
// its events tell.
func (v *visit) unstored(f filter, refused *refusal) error {
	id := idOf(v.r)
	e, err := v.erasureOf(id)
	if err != nil {
		return err
	}
	refused.tell(v.w.Header())
	return v.show(refused.Status, "unstored", "sessions", "Session "+id, unstoredPage{id, refused, e, f.Get("application") != ""})
}

// erasure is the part of a session's page that looks again while its erasure goes on. It is no page of its own.
func (c *Console) erasure(v *visit) error {
	id := idOf(v.r)
	if !v.fragment() {
		return v.redirect(href("/sessions", id))
	}
	e, err := v.erasureOf(id)
	switch {
	case err != nil:
		return err
	case e.Refuse != nil:
		return e.Refuse
	case e.Erasure == nil:
		return fault.New(fault.CodeNotFound, "this session was never erased")
	}
	e.Late = true
	return v.part(http.StatusOK, "session", "erasure", e)
}

// erase removes a session, when the form says twice that it shall. Where it goes on, the session's own page shows how far it is.
func (c *Console) erase(v *visit) error {
	id := idOf(v.r)
	v.r.Body = http.MaxBytesReader(v.w, v.r.Body, maxForm)
	if v.r.PostFormValue("sure") != "yes" {
		return v.redirect(href("/sessions", id) + "#erase")
	}
	e := persistence.Erasure{}
	if err := v.do(http.MethodDelete, "/v1/sessions/"+segment(id), nil, &e); err != nil {
		return err
	}
	if e.State == persistence.Erasing {
		return v.redirect(href("/sessions", id))
	}
	return v.redirect("/sessions?erased=yes")
}
