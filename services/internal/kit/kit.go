// Package kit is the one place that knows go-kit's untyped endpoints: it turns a typed method into an HTTP handler.
package kit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-kit/kit/endpoint"
	kithttp "github.com/go-kit/kit/transport/http"
	strict "sigs.k8s.io/json"

	"github.com/theeye-dev/theeye/api"
	"github.com/theeye-dev/theeye/services/internal/fault"
)

// Endpoint makes a typed method an endpoint.
func Endpoint[Req, Resp any](method func(context.Context, Req) (Resp, error)) endpoint.Endpoint {
	return func(ctx context.Context, request any) (any, error) { return method(ctx, request.(Req)) }
}

// Handler serves an endpoint: decode reads the request and checks who sent it, method does the work, encode answers.
// Every error becomes a problem document.
func Handler[Req, Resp any](
	method func(context.Context, Req) (Resp, error),
	decode func(context.Context, *http.Request) (Req, error),
	encode func(context.Context, http.ResponseWriter, Resp) error,
	middleware ...endpoint.Middleware,
) http.Handler {
	return HandlerTelling(fault.Write, method, decode, encode, middleware...)
}

// HandlerTelling is Handler for clients that expect errors in another form: tell writes them.
func HandlerTelling[Req, Resp any](
	tell func(http.ResponseWriter, error),
	method func(context.Context, Req) (Resp, error),
	decode func(context.Context, *http.Request) (Req, error),
	encode func(context.Context, http.ResponseWriter, Resp) error,
	middleware ...endpoint.Middleware,
) http.Handler {
	next := Endpoint(method)
	for _, wrap := range slices.Backward(middleware) {
		next = wrap(next)
	}
	return kithttp.NewServer(next,
		func(ctx context.Context, r *http.Request) (any, error) { return decode(ctx, r) },
		func(ctx context.Context, w http.ResponseWriter, response any) error {
			return encode(ctx, w, response.(Resp))
		},
		kithttp.ServerErrorEncoder(failing(tell)),
	)
}

// JSON is the encode step of an answer whose body is the response.
func JSON[Resp any](_ context.Context, w http.ResponseWriter, response Resp) error {
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(response)
}

// Nothing is the encode step of 204.
func Nothing(_ context.Context, w http.ResponseWriter, _ struct{}) error {
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// DecodeJSON reads a request's body of at most limit bytes into a value. Unknown, repeated and wrongly cased fields are
// all refused by name.
func DecodeJSON(r *http.Request, limit int64, into any) error {
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, limit))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return fault.New(fault.CodeBodyTooLarge, fmt.Sprintf("the body may have %d bytes", limit))
	}
	if err != nil {
		return Unread(r, err)
	}
	if !utf8.Valid(body) { // the decoder would replace what is no UTF-8 without a word
		return fault.New(fault.CodeMalformed, "the body is not UTF-8")
	}
	faults, err := strict.UnmarshalStrict(body, into)
	if syntax, offset := strict.SyntaxErrorOffset(err); syntax {
		return fault.New(fault.CodeMalformed, fmt.Sprintf("%s at byte %d", err, offset))
	}
	if err := errors.Join(append(faults, err)...); err != nil {
		return fault.New(fault.CodeInvalid, strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return nil
}

// ServeOpenAPI serves the HTTP contract at its path.
func ServeOpenAPI(mux *http.ServeMux) {
	const path = "/openapi.yaml"
	mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/yaml")
		_, _ = w.Write(api.OpenAPI) // the client may have gone
	})
	mux.Handle(path, MethodNotAllowed(http.MethodGet))
}
