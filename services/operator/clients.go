package operator

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/apikey"
	"github.com/theeye-dev/theeye/api/registry"
)

const (
	// usageTimeout is shorter than others: to know the usage is a courtesy.
	usageTimeout = 2 * time.Second
	// eraseTimeout is longer: persistence takes up to about five seconds by its contract.
	eraseTimeout = 10 * time.Second
	// listPage is how many records one request lists.
	listPage = 1000
	// maxRecords bounds a list: fifty times as many as a cluster is expected to have.
	maxRecords = 100_000
	// codeNotFound is how a service itself says so (api/problems.md): other 404s are of somebody on the way.
	codeNotFound = "not_found"
)

// Auth is the part of auth's admin API that the operator uses.
type Auth struct{ *Remote }

func applicationPath(uid uuid.UUID) string { return "/v1/applications/" + uid.String() }

func credentialPath(uid uuid.UUID, id string) string {
	return applicationPath(uid) + "/credentials/" + url.PathEscape(id)
}

// Application returns auth's record; nil when auth does not know it. That only auth itself can say: a 404 of a gateway
// must not make a deletion end without revocation.
func (a Auth) Application(ctx context.Context, uid uuid.UUID) (*registry.Application, error) {
	record, err := a.record(ctx, http.MethodGet, uid, nil)
	var answer *RemoteError
	if errors.As(err, &answer) && answer.Status == http.StatusNotFound && answer.Code == codeNotFound {
		return nil, nil //nolint:nilnil // not to be known is an answer
	}
	return record, err
}

// PutApplication creates or changes a record and returns it.
func (a Auth) PutApplication(ctx context.Context, uid uuid.UUID, want registry.DesiredApplication) (*registry.Application, error) {
	return a.record(ctx, http.MethodPut, uid, want)
}

// record sends a request whose answer is the record of an application, and no other's.
func (a Auth) record(ctx context.Context, method string, uid uuid.UUID, body any) (*registry.Application, error) {
	var record registry.Application
	if err := a.do(ctx, method, applicationPath(uid), body, &record); err != nil {
		return nil, err
	}
	if record.UID != uid || record.ClientID != apikey.ClientID(uid) {
		return nil, a.wrong("answered with another record: uid %q, client id %q", record.UID, record.ClientID)
	}
	return &record, nil
}

// DeleteApplication ends a record and revokes its credentials.
func (a Auth) DeleteApplication(ctx context.Context, uid uuid.UUID) error {
	return a.do(ctx, http.MethodDelete, applicationPath(uid), nil, nil)
}

// PutCredential adds or changes a credential.
func (a Auth) PutCredential(ctx context.Context, uid uuid.UUID, c registry.Credential) error {
	var has registry.Credential
	want := registry.DesiredCredential{SHA256: c.SHA256, NotAfter: c.NotAfter}
	if err := a.do(ctx, http.MethodPut, credentialPath(uid, c.ID), want, &has); err != nil {
		return err
	}
	if has.ID != c.ID || has.SHA256 != c.SHA256 { // nothing may be published on such a word
		return a.wrong("answered with another credential: id %q", has.ID)
	}
	return nil
}

// DeleteCredential revokes a credential.
func (a Auth) DeleteCredential(ctx context.Context, uid uuid.UUID, id string) error {
	return a.do(ctx, http.MethodDelete, credentialPath(uid, id), nil, nil)
}

// page is a part of auth's list of applications, which is ordered by UID.
type page struct {
	Applications []registry.Application `json:"applications"`
	NextCursor   string                 `json:"next_cursor"`
}

// List returns the records of one cluster, without policies and credentials.
func (a Auth) List(ctx context.Context, cluster string) ([]registry.Application, error) {
	var all []registry.Application
	query := url.Values{"cluster": {cluster}, "view": {"summary"}, "limit": {fmt.Sprint(listPage)}}
	for cursor := ""; ; {
		var p page
		if err := a.do(ctx, http.MethodGet, "/v1/applications?"+query.Encode(), nil, &p); err != nil {
			return nil, err
		}
		if err := a.check(&p, cluster); err != nil {
			return nil, err
		}
		all = append(all, p.Applications...)
		switch {
		case p.NextCursor == "":
			return all, nil
		case p.NextCursor <= cursor:
			return nil, a.wrong("answered with a list that goes round: after %q comes %q", cursor, p.NextCursor)
		case len(all) > maxRecords-listPage:
			return nil, a.wrong("answered with a list of more than %d records", maxRecords)
		}
		cursor = p.NextCursor
		query.Set("cursor", cursor)
	}
}

// check refuses a page that is none, and one with other records than were asked for: those that have no Application here
// would be ended.
func (a Auth) check(p *page, cluster string) error {
	if p.Applications == nil {
		return a.wrong("answered with something else than a list")
	}
	for i := range p.Applications {
		record := &p.Applications[i]
		if record.Cluster != cluster || record.ClientID != apikey.ClientID(record.UID) {
			return a.wrong("answered with another record: uid %q of cluster %q, client id %q", record.UID, record.Cluster, record.ClientID)
		}
	}
	return nil
}

// Persistence is the part of persistence's API that the operator uses.
type Persistence struct{ *Remote }

// Usage returns what an application sent lately.
func (p Persistence) Usage(ctx context.Context, uid uuid.UUID) (*registry.Usage, error) {
	var usage registry.Usage
	if err := p.send(ctx, p.courtesy, usageTimeout, http.MethodGet, applicationPath(uid)+"/usage", nil, &usage); err != nil {
		return nil, err
	}
	if usage.Outcomes24h == nil {
		return nil, p.wrong("answered with something else than a usage")
	}
	return &usage, nil
}

// Erase has an application's events erased. Success means that persistence has taken it on, for good.
func (p Persistence) Erase(ctx context.Context, uid uuid.UUID) error {
	return p.send(ctx, p.breaker, eraseTimeout, http.MethodDelete, applicationPath(uid)+"/events", nil, nil)
}
