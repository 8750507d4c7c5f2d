package operator

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/registry"
)

const (
	// remoteTimeout bounds one request to auth or persistence; a reconciliation that hangs holds up others.
	remoteTimeout = 10 * time.Second
	// maxAnswer bounds an answer: a page of records without policies, or one record with the largest policy.
	maxAnswer = 8 << 20
	// maxProblem bounds what an error repeats of a problem document.
	maxProblem = 4 << 10
	// listPage is how many records one request lists.
	listPage = 1000
)

// RemoteError is an answer of auth or persistence that is no success.
type RemoteError struct {
	Service string
	Status  int
	Code    string // of the problem document
	Detail  string
}

func (e *RemoteError) Error() string {
	return fmt.Sprintf("%s answered %d %s: %s", e.Service, e.Status, e.Code, e.Detail)
}

// refused tells whether repeating the same request is of no use until a person changes something.
func refused(err error) bool {
	var answer *RemoteError
	return errors.As(err, &answer) && answer.Status/100 == 4 &&
		answer.Status != http.StatusRequestTimeout && answer.Status != http.StatusTooManyRequests
}

// Remote is a service's HTTP API as the operator sees it.
type Remote struct {
	name  string
	base  string
	token func() (string, error)
	http  *http.Client
}

// NewRemote returns a client of the service at a base URL. token is asked before every request: projected tokens are
// replaced long before they end.
func NewRemote(name, base string, token func() (string, error), transport http.RoundTripper) *Remote {
	return &Remote{name: name, base: base, token: token, http: &http.Client{
		Transport: transport, Timeout: remoteTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // the token is for this service
	}}
}

// do sends a request and decodes an answer of 2xx into answer, when that is not nil.
func (r *Remote) do(ctx context.Context, method, path string, body, answer any) error {
	var content io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("encode request: %w", err)
		}
		content = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(ctx, method, r.base+path, content)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	token, err := r.token()
	if err != nil {
		return fmt.Errorf("read token for %s: %w", r.name, err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := r.http.Do(request)
	if err != nil {
		return fmt.Errorf("ask %s: %w", r.name, err)
	}
	defer response.Body.Close() //nolint:errcheck // only read
	if response.StatusCode/100 != 2 {
		return r.problem(response)
	}
	if answer == nil || response.StatusCode == http.StatusNoContent {
		return nil
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, maxAnswer)).Decode(answer); err != nil {
		return fmt.Errorf("read answer of %s: %w", r.name, err)
	}
	return nil
}

// Ping tells whether the service answers at all.
func (r *Remote) Ping(ctx context.Context) error {
	return r.do(ctx, http.MethodGet, "/healthz", nil, nil)
}

// problem reads a problem document (RFC 9457).
func (r *Remote) problem(response *http.Response) error {
	var document struct {
		Code   string `json:"code"`
		Title  string `json:"title"`
		Detail string `json:"detail"`
	}
	text, _ := io.ReadAll(io.LimitReader(response.Body, maxProblem)) // what is missing is left out
	if json.Unmarshal(text, &document) != nil || document.Detail == "" && document.Title == "" {
		document.Title = http.StatusText(response.StatusCode)
	}
	if document.Detail == "" {
		document.Detail = document.Title
	}
	return &RemoteError{Service: r.name, Status: response.StatusCode, Code: document.Code, Detail: document.Detail}
}

// Auth is the part of auth's admin API that the operator uses.
type Auth struct{ *Remote }

func applicationPath(uid uuid.UUID) string { return "/v1/applications/" + uid.String() }

func credentialPath(uid uuid.UUID, id string) string {
	return applicationPath(uid) + "/credentials/" + url.PathEscape(id)
}

// Application returns auth's record; nil when auth does not know it.
func (a Auth) Application(ctx context.Context, uid uuid.UUID) (*registry.Application, error) {
	var record registry.Application
	err := a.do(ctx, http.MethodGet, applicationPath(uid), nil, &record)
	if answer := (*RemoteError)(nil); errors.As(err, &answer) && answer.Status == http.StatusNotFound {
		return nil, nil //nolint:nilnil // not to be known is an answer
	}
	if err != nil {
		return nil, err
	}
	return &record, nil
}

// PutApplication creates or changes a record and returns it.
func (a Auth) PutApplication(ctx context.Context, uid uuid.UUID, want registry.DesiredApplication) (*registry.Application, error) {
	var record registry.Application
	if err := a.do(ctx, http.MethodPut, applicationPath(uid), want, &record); err != nil {
		return nil, err
	}
	return &record, nil
}

// DeleteApplication ends a record and revokes its credentials.
func (a Auth) DeleteApplication(ctx context.Context, uid uuid.UUID) error {
	return a.do(ctx, http.MethodDelete, applicationPath(uid), nil, nil)
}

// PutCredential adds or changes a credential.
func (a Auth) PutCredential(ctx context.Context, uid uuid.UUID, c registry.Credential) error {
	return a.do(ctx, http.MethodPut, credentialPath(uid, c.ID), registry.DesiredCredential{SHA256: c.SHA256, NotAfter: c.NotAfter}, nil)
}

// DeleteCredential revokes a credential.
func (a Auth) DeleteCredential(ctx context.Context, uid uuid.UUID, id string) error {
	return a.do(ctx, http.MethodDelete, credentialPath(uid, id), nil, nil)
}

// List returns the records of one cluster, without policies and credentials.
func (a Auth) List(ctx context.Context, cluster string) ([]registry.Application, error) {
	var all []registry.Application
	query := url.Values{"cluster": {cluster}, "view": {"summary"}, "limit": {fmt.Sprint(listPage)}}
	for {
		var page struct {
			Applications []registry.Application `json:"applications"`
			NextCursor   string                 `json:"next_cursor"`
		}
		if err := a.do(ctx, http.MethodGet, "/v1/applications?"+query.Encode(), nil, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Applications...)
		if page.NextCursor == "" {
			return all, nil
		}
		query.Set("cursor", page.NextCursor)
	}
}

// Persistence is the part of persistence's API that the operator uses.
type Persistence struct{ *Remote }

// Usage returns what an application sent lately.
func (p Persistence) Usage(ctx context.Context, uid uuid.UUID) (*registry.Usage, error) {
	var usage registry.Usage
	if err := p.do(ctx, http.MethodGet, applicationPath(uid)+"/usage", nil, &usage); err != nil {
		return nil, err
	}
	return &usage, nil
}

// Erase has an application's events erased. Success means that persistence has taken it on, for good.
func (p Persistence) Erase(ctx context.Context, uid uuid.UUID) error {
	return p.do(ctx, http.MethodDelete, applicationPath(uid)+"/events", nil, nil)
}
