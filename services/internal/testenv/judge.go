package testenv

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// exchange is a request with its answer. Whole says that sent is all of the request's body.
type exchange struct {
	request  *http.Request
	sent     []byte
	whole    bool
	response *http.Response
	answer   []byte
}

// outcome is what an answer tells about its request.
type outcome struct {
	Code     string
	Rejected int
	Events   []struct{ Code string }
}

// judge returns in what an exchange is not as the document says.
func (o *openAPI) judge(e exchange) error {
	input, err := o.find(e)
	if err != nil || e.response.StatusCode == http.StatusMethodNotAllowed { // a path may have a method in another service
		return o.elsewhere(e)
	}
	if e.request.Method == http.MethodHead {
		return nil
	}
	err = openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: e.response.StatusCode, Header: e.response.Header, Options: input.Options,
	})
	if err != nil {
		return err //nolint:wrapcheck // it says of what
	}
	if err := o.answered(input.Route, e); err != nil {
		return fmt.Errorf("the answer: %w", err)
	}
	return o.asked(input, e)
}

func (o *openAPI) find(e exchange) (*openapi3filter.RequestValidationInput, error) {
	escaped := e.request.Clone(context.Background()) // a session's id may have a slash, percent-encoded
	escaped.URL = &url.URL{Path: e.request.URL.EscapedPath(), RawQuery: e.request.URL.RawQuery}
	escaped.Body = http.NoBody
	route, values, err := o.router.FindRoute(escaped)
	return &openapi3filter.RequestValidationInput{
		Request: escaped, PathParams: values, Route: route, Options: &openapi3filter.Options{
			ExcludeRequestBody: true, ExcludeResponseBody: true, IncludeResponseStatus: true, SkipSettingDefaults: true,
			AuthenticationFunc: authenticated,
		},
	}, err //nolint:wrapcheck // only looked at
}

// elsewhere judges what is answered where a service has nothing.
func (o *openAPI) elsewhere(e exchange) error {
	if s := e.response.StatusCode; s != http.StatusNotFound && s != http.StatusMethodNotAllowed {
		return errors.New("there is no such path or method, and it is answered")
	}
	return o.conforms(e.answer, schemasURL+"Problem")
}

// authenticated says whether a request carries a credential of a scheme.
func authenticated(_ context.Context, input *openapi3filter.AuthenticationInput) error {
	r, scheme := input.RequestValidationInput.Request, input.SecurityScheme
	sent, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	switch {
	case scheme.Type == "http" && strings.EqualFold(sent, scheme.Scheme),
		scheme.Type == "oauth2" && strings.EqualFold(sent, "Bearer"),
		scheme.Type == "apiKey" && scheme.In == "query" && r.URL.Query().Has(scheme.Name):
		return nil
	}
	return input.NewError(nil)
}

// answered judges an answer's body.
func (o *openAPI) answered(route *routers.Route, e exchange) error {
	response := route.Operation.Responses.Status(e.response.StatusCode)
	media, _, _ := mime.ParseMediaType(e.response.Header.Get("Content-Type"))
	if len(response.Value.Content) == 0 {
		if len(e.answer) > 0 {
			return errors.New("it has a body")
		}
		return nil
	}
	if response.Value.Content.Get(media) == nil {
		return fmt.Errorf("it is of type %q", media)
	}
	at := response.Ref
	if at == "" {
		at = fmt.Sprintf("%s/responses/%d", operation(route), e.response.StatusCode)
	}
	text, err := expand(e.response.Header, e.answer)
	switch {
	case err != nil:
		return err
	case lines(media):
		text = joined(text)
	case !strings.HasSuffix(media, "json"):
		return nil
	}
	return o.conforms(text, at+"/content/"+escape(media)+"/schema")
}

func operation(route *routers.Route) string {
	return "#/paths/" + escape(route.Path) + "/" + strings.ToLower(route.Method)
}

// telling are the reasons for a refusal that the schema of a JSON body can tell, too.
var telling = []string{ //nolint:gochecknoglobals // a table
	"request.no_events", "event.not_object", "field.missing", "field.type", "field.length", "field.unknown",
}

// asked judges a request by what became of it.
func (o *openAPI) asked(input *openapi3filter.RequestValidationInput, e exchange) error {
	var got outcome
	_ = json.Unmarshal(e.answer, &got) // an answer without a body tells nothing
	if e.response.StatusCode/100 == 2 && got.Rejected == 0 {
		if err := openapi3filter.ValidateRequest(context.Background(), input); err != nil {
			return fmt.Errorf("the request was taken: %w", err)
		}
		if err := o.body(input.Route, e); err != nil {
			return fmt.Errorf("the request's body was taken: %w", err)
		}
		return nil
	}
	refused := slices.Contains(telling, got.Code)
	for _, verdict := range got.Events {
		refused = refused || slices.Contains(telling, verdict.Code)
	}
	media, _, _ := mime.ParseMediaType(e.request.Header.Get("Content-Type"))
	if refused && media == "application/json" && e.request.Header.Get("Ce-Specversion") == "" && e.whole && o.body(input.Route, e) == nil {
		return errors.New("the request's body is allowed, and was refused")
	}
	return nil
}

// body judges a request's body by the schema of its media type. What has its attributes in headers (CloudEvents'
// binary mode) is any body.
func (o *openAPI) body(route *routers.Route, e exchange) error {
	if route.Operation.RequestBody == nil || e.request.Header.Get("Ce-Specversion") != "" || !e.whole {
		return nil
	}
	media, parameters, err := mime.ParseMediaType(e.request.Header.Get("Content-Type"))
	if err != nil {
		media = "application/json" // as services take a body that says nothing
	}
	if charset := parameters["charset"]; route.Operation.RequestBody.Value.Content.Get(media) == nil {
		return fmt.Errorf("media type %q, charset %q", media, charset)
	}
	text, err := expand(e.request.Header, e.sent)
	if err != nil {
		return err
	}
	switch {
	case strings.HasSuffix(media, "json") && !lines(media):
	case media == "text/plain":
		media = "application/json"
	case lines(media):
		media, text = "application/json", joined(text)
	default:
		return nil // a form
	}
	return o.conforms(text, operation(route)+"/requestBody/content/"+escape(media)+"/schema")
}

func lines(media string) bool {
	return strings.HasSuffix(media, "ndjson") || strings.Contains(media, "jsonl")
}

// joined makes an array of lines.
func joined(text []byte) []byte {
	events := slices.DeleteFunc(bytes.Split(text, []byte("\n")), func(line []byte) bool {
		return len(bytes.TrimSpace(line)) == 0
	})
	return slices.Concat([]byte("["), bytes.Join(events, []byte(",")), []byte("]"))
}

// expand returns a body without its content coding.
func expand(header http.Header, body []byte) ([]byte, error) {
	var reader io.Reader
	var err error
	codings := strings.FieldsFunc(strings.ToLower(strings.Join(header.Values("Content-Encoding"), ",")), func(r rune) bool {
		return r == ',' || r == ' '
	})
	codings = slices.DeleteFunc(codings, func(coding string) bool { return coding == "identity" })
	switch strings.Join(codings, ",") {
	case "gzip", "x-gzip":
		reader, err = gzip.NewReader(bytes.NewReader(body))
	case "zstd":
		reader, err = zstd.NewReader(bytes.NewReader(body), zstd.WithDecoderConcurrency(1))
	default:
		return body, nil
	}
	if err != nil {
		return nil, fmt.Errorf("expand: %w", err)
	}
	text, err := io.ReadAll(reader)
	if err != nil {
		return nil, fmt.Errorf("expand: %w", err)
	}
	return text, nil
}
