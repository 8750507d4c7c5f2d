// Package fault is how every service says that something went wrong: an error has a code, the code has a kind and an
// HTTP status, and both are in one table.
package fault

import (
	"errors"
	"net/http"
	"time"
)

// Kind is who has to act on an error, and so what becomes of it.
type Kind uint8

// The kinds. An error that is no *Error is Internal.
const (
	Internal    Kind = iota // a bug of ours: logged
	Invalid                 // the client has to send something else
	Denied                  // the client may not
	Unavailable             // not now: try again
)

// Code is the stable reason of a problem document.
type Code string

// The codes of whole requests; those of single events are event.Code.
const (
	CodeInternal        Code = "internal"
	CodeMalformed       Code = "request.malformed"
	CodeUndecodable     Code = "request.undecodable"
	CodeNoEvents        Code = "request.no_events"
	CodeRejected        Code = "request.rejected"
	CodeEventTooLarge   Code = "event.too_large"
	CodeMediaType       Code = "request.media_type"
	CodeContentCoding   Code = "request.content_coding"
	CodeBodyTooLarge    Code = "request.too_large"
	CodeTooManyEvents   Code = "request.too_many_events"
	CodeParameter       Code = "request.parameter"
	CodeTooWide         Code = "request.too_wide"
	CodeInvalid         Code = "request.invalid"
	CodeTimeout         Code = "request.timeout"
	CodeNotFound        Code = "not_found"
	CodeMethod          Code = "method_not_allowed"
	CodeConflict        Code = "conflict"
	CodeUnauthenticated Code = "credential.invalid"
	CodeManyFailures    Code = "credential.too_many_failures"
	CodeSuspended       Code = "application.suspended"
	CodeOrigin          Code = "origin.forbidden"
	CodeForbidden       Code = "permission.denied"
	CodeRate            Code = "rate.exceeded"
	CodeManyListeners   Code = "stream.too_many_listeners"
	CodeManyExports     Code = "export.too_many"
	CodeStarting        Code = "service.starting"
	CodeUnavailable     Code = "service.unavailable"
	CodeOverloaded      Code = "service.overloaded"
	CodeUnsafe          Code = "service.unsafe"
	CodeShuttingDown    Code = "service.shutting_down"
)

type row struct {
	kind   Kind
	status int
	title  string
}

var table = map[Code]row{
	CodeInternal:        {Internal, http.StatusInternalServerError, "Internal error"},
	CodeMalformed:       {Invalid, http.StatusBadRequest, "The body is not JSON"},
	CodeUndecodable:     {Invalid, http.StatusBadRequest, "The body cannot be decompressed"},
	CodeNoEvents:        {Invalid, http.StatusBadRequest, "The body holds no event"},
	CodeRejected:        {Invalid, http.StatusUnprocessableEntity, "No event was accepted"},
	CodeEventTooLarge:   {Invalid, http.StatusRequestEntityTooLarge, "An event is too large"},
	CodeMediaType:       {Invalid, http.StatusUnsupportedMediaType, "Unsupported media type"},
	CodeContentCoding:   {Invalid, http.StatusUnsupportedMediaType, "Unsupported content coding"},
	CodeBodyTooLarge:    {Invalid, http.StatusRequestEntityTooLarge, "The body is too large"},
	CodeTooManyEvents:   {Invalid, http.StatusRequestEntityTooLarge, "Too many events"},
	CodeParameter:       {Invalid, http.StatusBadRequest, "Invalid parameter"},
	CodeTooWide:         {Invalid, http.StatusBadRequest, "The question is about too many applications"},
	CodeInvalid:         {Invalid, http.StatusUnprocessableEntity, "Invalid content"},
	CodeTimeout:         {Invalid, http.StatusRequestTimeout, "The body did not arrive in time"},
	CodeNotFound:        {Invalid, http.StatusNotFound, "Not found"},
	CodeMethod:          {Invalid, http.StatusMethodNotAllowed, "Method not allowed"},
	CodeConflict:        {Invalid, http.StatusConflict, "Conflict"},
	CodeUnauthenticated: {Denied, http.StatusUnauthorized, "No or wrong credential"},
	CodeManyFailures:    {Unavailable, http.StatusTooManyRequests, "Too many wrong credentials"},
	CodeSuspended:       {Denied, http.StatusForbidden, "The application is suspended"},
	CodeOrigin:          {Denied, http.StatusForbidden, "The origin is not listed"},
	CodeForbidden:       {Denied, http.StatusForbidden, "Permission denied"},
	CodeRate:            {Unavailable, http.StatusTooManyRequests, "Too much at a time"},
	CodeManyListeners:   {Unavailable, http.StatusTooManyRequests, "Too many listeners"},
	CodeManyExports:     {Unavailable, http.StatusTooManyRequests, "Too many exports"},
	CodeStarting:        {Unavailable, http.StatusServiceUnavailable, "Starting"},
	CodeUnavailable:     {Unavailable, http.StatusServiceUnavailable, "Temporarily unavailable"},
	CodeOverloaded:      {Unavailable, http.StatusServiceUnavailable, "Overloaded"},
	CodeUnsafe:          {Unavailable, http.StatusServiceUnavailable, "Storage is not durable"},
	CodeShuttingDown:    {Unavailable, http.StatusServiceUnavailable, "Shutting down"},
}

// Error is an error with a code. Detail is for the client and never tells what only the operator may know.
type Error struct {
	Code   Code
	Detail string
	// Pointer leads to the place in the body (RFC 6901): "" is the whole of it, nil says that there is none to tell.
	Pointer *string
	// Parameter is the query parameter that is at fault; "": none is.
	Parameter string
	Err       error // the cause, for the log only; may be nil
	// RetryAfter is how long the client is asked to wait; 0 is the default of its status. It is sent in whole seconds,
	// rounded up.
	RetryAfter time.Duration
	// Challenge is what the answer's Bearer challenge says beside its realm (RFC 6750, section 3); "": nothing.
	Challenge string
}

// New returns an error for the client.
func New(code Code, detail string) *Error { return &Error{Code: code, Detail: detail} }

// Wrap returns an error for the client with a cause for the log.
func Wrap(code Code, detail string, cause error) *Error {
	return &Error{Code: code, Detail: detail, Err: cause}
}

// OfParameter names the parameter that an error is about, unless it names one already, or is about none: that something
// is not to be had now no parameter mends.
func OfParameter(name string, err error) error {
	e, ok := err.(*Error) //nolint:errorlint // one within another is not for the client to see
	if !ok || e.Parameter != "" || KindOf(e) != Invalid && KindOf(e) != Denied {
		return err
	}
	named := *e
	named.Parameter = name
	return &named
}

func (e *Error) Error() string {
	text := string(e.Code) + ": " + e.Detail
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

func (e *Error) Unwrap() error { return e.Err }

// KindOf returns the kind of an error.
func KindOf(err error) Kind { return lookup(of(err).Code).kind }

func of(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Code: CodeInternal, Detail: "the request could not be served; it is logged with this trace id", Err: err}
}

func lookup(code Code) row {
	if r, ok := table[code]; ok {
		return r
	}
	return table[CodeInternal]
}
