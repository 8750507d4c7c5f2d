package operator

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/theeye-dev/theeye/services/internal/certificate"
)

const (
	// remoteTimeout bounds one request to auth or persistence: one that hangs keeps a worker from other Applications.
	remoteTimeout = 5 * time.Second
	// maxAnswer bounds an answer: a page of records without policies, or one record with the largest policy.
	maxAnswer = 8 << 20
	// maxProblem bounds what an error repeats of a problem document.
	maxProblem = 4 << 10
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

// refused tells whether repeating the same request is of no use until a person changes something. Only the service's own
// problem document says so: what a gateway on the way answers passes.
func refused(err error) bool {
	var answer *RemoteError
	return errors.As(err, &answer) && answer.Status/100 == 4 && answer.Code != "" &&
		answer.Status != http.StatusRequestTimeout && answer.Status != http.StatusTooManyRequests
}

// remoteFailure is why there is no answer to go by. The message, for conditions, stays the same however often it fails and
// has no addresses in it; the cause is for the log.
type remoteFailure struct {
	message string
	cause   error
}

func (e *remoteFailure) Error() string { return e.cause.Error() }

// Unwrap returns the cause.
func (e *remoteFailure) Unwrap() error { return e.cause }

func (r *Remote) failure(cause error) error {
	return &remoteFailure{r.name + " does not answer as it should; it is tried again", cause}
}

// wrong is the failure of an answer that is not what was asked for.
func (r *Remote) wrong(format string, args ...any) error {
	return r.failure(fmt.Errorf(r.name+" "+format, args...))
}

// message is what a condition says of an error of auth or persistence.
func message(err error) string {
	var (
		answer  *RemoteError
		failure *remoteFailure
	)
	switch {
	case refused(err) && errors.As(err, &answer):
		return answer.Error()
	case errors.As(err, &failure):
		return failure.message
	case errors.As(err, &answer):
		return answer.Service + " does not answer as it should; it is tried again"
	}
	return "auth does not answer as it should; it is tried again"
}

// Remote is a service's HTTP API as the operator sees it.
type Remote struct {
	name  string
	base  string
	token func() (string, error)
	http  *http.Client
	// A courtesy has a breaker of its own: one that is slow holds up no duty.
	breaker, courtesy *breaker
}

// NewRemote returns a client of the service at a base URL. token is asked before every request: projected tokens are
// replaced long before they end.
func NewRemote(name, base string, token func() (string, error), transport http.RoundTripper) *Remote {
	return &Remote{
		name: name, base: base, token: token, breaker: &breaker{now: time.Now}, courtesy: &breaker{now: time.Now},
		http: &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // the token is for this service
		},
	}
}

// do sends a request and decodes an answer of 2xx into answer, when that is not nil.
func (r *Remote) do(ctx context.Context, method, path string, body, answer any) error {
	return r.send(ctx, r.breaker, remoteTimeout, method, path, body, answer)
}

// send is do with a breaker and a bound of the caller's choice.
func (r *Remote) send(ctx context.Context, b *breaker, timeout time.Duration, method, path string, body, answer any) error {
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	request, err := r.request(limited, method, path, body)
	if err != nil {
		return err
	}
	era, ok := b.admit()
	if !ok {
		return r.wrong("did not answer lately")
	}
	status, content, err := r.exchange(request)
	switch {
	case err == nil, errors.Is(err, errPartial) && limited.Err() == nil, certificate.Distrust(err) != "": // it costs no time
		b.conclude(era, answered)
	case ctx.Err() != nil: // the caller went
		b.conclude(era, undecided)
	default:
		b.conclude(era, silent)
	}
	if err != nil {
		return r.unanswered(fmt.Errorf("ask %s: %w", r.name, err))
	}
	return r.read(status, content, answer)
}

// request makes a request with the operator's token.
func (r *Remote) request(ctx context.Context, method, path string, body any) (*http.Request, error) {
	var content io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("encode request: %w", err)
		}
		content = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(ctx, method, r.base+path, content)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	token, err := r.token()
	if err != nil {
		return nil, &remoteFailure{"the operator's token for " + r.name + " cannot be read; it is tried again", fmt.Errorf("ask %s: %w", r.name, err)}
	}
	request.Header.Set("Authorization", "Bearer "+token)
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	return request, nil
}

// errPartial says that an answer began and did not come to its end.
var errPartial = errors.New("the answer is not whole")

// exchange sends a request and reads the answer.
func (r *Remote) exchange(request *http.Request) (status int, content []byte, err error) {
	response, err := r.http.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close() //nolint:errcheck // only read
	content, err = io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err == nil && len(content) > maxAnswer {
		err = errors.New("it is too large")
	}
	if err != nil {
		return 0, nil, fmt.Errorf("%w: %w", errPartial, err)
	}
	return response.StatusCode, content, nil
}

// read decodes the answer of a success into answer, when that is not nil, and makes an error of any other.
func (r *Remote) read(status int, content []byte, answer any) error {
	if status/100 != 2 {
		return r.problem(status, content)
	}
	if answer == nil {
		return nil
	}
	if err := json.Unmarshal(content, answer); err != nil {
		return r.wrong("answered %d with something else than JSON of the right form: %w", status, err)
	}
	return nil
}

// Ping tells whether the service answers at all.
func (r *Remote) Ping(ctx context.Context) error {
	return r.do(ctx, http.MethodGet, "/healthz", nil, nil)
}

// problem reads a problem document (RFC 9457).
func (r *Remote) problem(status int, content []byte) error {
	var document struct {
		Code   string `json:"code"`
		Title  string `json:"title"`
		Detail string `json:"detail"`
	}
	if json.Unmarshal(content, &document) != nil || document.Detail == "" && document.Title == "" {
		document.Code, document.Title, document.Detail = "", http.StatusText(status), "" // somebody else's page
	}
	detail := cmp.Or(document.Detail, document.Title)
	if len(detail) > maxProblem {
		detail = strings.ToValidUTF8(detail[:maxProblem], "")
	}
	return &RemoteError{Service: r.name, Status: status, Code: document.Code, Detail: detail}
}
