package persistence

import (
	"context"
	"net/http"

	"github.com/theeye-dev/theeye/services/internal/fault"
	"github.com/theeye-dev/theeye/services/internal/kit"
)

// handleSession serves one session.
func handleSession(mux *http.ServeMux, r *Reader, observer *kit.Observer) {
	const session = "/v1/sessions/{id}"
	handleOne(mux, "/v1/sessions", map[string]http.Handler{
		http.MethodGet:    observer.Route(session, kit.Handler(retried(r.session), r.decodeSession, reply[*Session])),
		http.MethodDelete: observer.Route(session, kit.Handler(retried(r.Eraser.EraseSession), r.decodeEraseSession, encodeErasure)),
	})
	serve(mux, observer, http.MethodGet, session+"/erasure", kit.Handler(retried(r.Eraser.OfSession), r.decodeEraseSession, reply[Erasure]))
}

func (r *Reader) session(ctx context.Context, q Query) (*Session, error) {
	s, err := r.Store.Session(ctx, q)
	if err == nil && s == nil {
		err = fault.New(fault.CodeNotFound, "there is no such session, or it has no event that you may read")
	}
	return s, err
}

func (r *Reader) decodeSessions(ctx context.Context, req *http.Request) (Query, error) {
	q, err := r.decode(ctx, req, VerbList, "application", "category", "name", "from", "to", "limit", "cursor")
	if err == nil {
		err = q.resume(listSessions)
	}
	return q, err
}

func (r *Reader) decodeSession(ctx context.Context, req *http.Request) (Query, error) {
	q, err := r.decode(ctx, req, VerbGet, eventFilters("limit", "id")...)
	if err == nil {
		q.SessionID, err = pathID(req, "session id")
	}
	if err == nil {
		err = q.resume(listSession)
	}
	return q, err
}

// decodeEraseSession asks for the right to erase in all namespaces, also of who wants to know how far it is. A session may belong to any application, events of it
// may still be on their way, and who was refused because of one would learn that it has some.
func (r *Reader) decodeEraseSession(ctx context.Context, req *http.Request) (id string, err error) {
	who, err := r.sender(ctx, req)
	if err != nil {
		return "", err
	}
	if err := who.everywhere(ctx, VerbDelete); err != nil {
		return "", err
	}
	if _, err := kit.Parameters(req, "id"); err != nil {
		return "", err
	}
	return pathID(req, "session id")
}
