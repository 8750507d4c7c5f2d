package persistence

import (
	"context"
	"net/http"
	"time"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/fault"
	"github.com/theeye-dev/theeye/services/internal/kit"
)

// The values of --retention.
const (
	RetentionEnforce = "enforce" // what is due is deleted
	RetentionReport  = "report"  // GET /v1/retention tells what would be
)

// handleRetention serves the dry run.
func handleRetention(mux *http.ServeMux, r *Reader, observer *kit.Observer) {
	const path = "/v1/retention"
	mux.Handle("GET "+path, observer.Route(path, kit.Handler(retried(r.due), r.decodeDue, reply[Due])))
	mux.Handle(path, kit.MethodNotAllowed(http.MethodGet))
}

func (r *Reader) due(ctx context.Context, q dueQuestion) (Due, error) {
	return r.Retention.Due(ctx, r.Store, q)
}

// decodeDue lets those ask who may list everything: days are everybody's.
func (r *Reader) decodeDue(ctx context.Context, req *http.Request) (q dueQuestion, err error) {
	who, err := r.manager(ctx, req)
	if err != nil {
		return q, err
	}
	if err := who.everywhere(ctx, VerbList); err != nil {
		return q, err
	}
	given, err := kit.Parameters(req, "application", "retention")
	if err != nil {
		return q, err
	}
	application, named := given["application"]
	retention, tried := given["retention"]
	if named != tried {
		return q, fault.New(fault.CodeParameter, "application and retention go together: what would be due if that application had this retention")
	}
	if !named {
		return q, nil
	}
	if q.application, err = resolve(r.Keys, application); err != nil {
		return q, err
	}
	q.retention, err = time.ParseDuration(retention)
	if err != nil || q.retention <= 0 || q.retention > registry.LimitRetention {
		return q, fault.New(fault.CodeParameter, "retention must be a duration like 720h, above 0 and at most "+registry.LimitRetention.String())
	}
	return q, nil
}
