// Package kit is the one place that knows go-kit's untyped endpoints: it turns a typed method into an HTTP handler.
package kit

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/go-kit/kit/endpoint"
	kithttp "github.com/go-kit/kit/transport/http"

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
	next := Endpoint(method)
	for i := len(middleware) - 1; i >= 0; i-- {
		next = middleware[i](next)
	}
	return kithttp.NewServer(next,
		func(ctx context.Context, r *http.Request) (any, error) { return decode(ctx, r) },
		func(ctx context.Context, w http.ResponseWriter, response any) error {
			return encode(ctx, w, response.(Resp))
		},
		kithttp.ServerErrorEncoder(func(ctx context.Context, err error, w http.ResponseWriter) {
			noteError(ctx, err)
			fault.Write(w, err)
		}),
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

// DecodeJSON reads a request's body of at most limit bytes into a value; unknown fields are refused by name.
func DecodeJSON(r *http.Request, limit int64, into any) error {
	decoder := json.NewDecoder(http.MaxBytesReader(nil, r.Body, limit))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return fault.New(fault.CodeInvalid, err.Error())
	}
	if decoder.More() {
		return fault.New(fault.CodeInvalid, "text after the end of the JSON value")
	}
	return nil
}
