package ingest

import (
	"context"
	"net/http"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/theeye-dev/theeye/services/internal/fault"
	"github.com/theeye-dev/theeye/services/internal/keyring"
	"github.com/theeye-dev/theeye/services/internal/kit"
	"github.com/theeye-dev/theeye/services/internal/stream"
)

// maxIdempotencyKey is how long an Idempotency-Key may be, in bytes.
const maxIdempotencyKey = 255

// Handler serves ingest's public port.
func Handler(s *Service, keys *keyring.Keyring, observer *kit.Observer) *http.ServeMux {
	d := &decoder{keys: keys, now: s.now, expander: newExpander()}
	mux := http.NewServeMux()
	accept := func(ctx context.Context, sub Submission) (*Receipt, error) {
		defer d.buffers.put(sub.buffer)
		return s.Accept(ctx, sub)
	}
	mux.Handle("POST /v1/events", shared(keys, observer.Route("/v1/events", drained(s.admission.admit(kit.Handler(accept, d.decode, encode))))))
	mux.Handle("OPTIONS /v1/events", observer.Route("/v1/events", preflight(keys)))
	mux.Handle("/v1/events", shared(keys, kit.MethodNotAllowed(http.MethodPost)))
	mux.Handle("GET /openapi.yaml", kit.OpenAPI())
	mux.Handle("/", kit.NotFound())
	return mux
}

// decoder turns a request into a Submission. It checks the credential before it reads the body.
type decoder struct {
	keys     *keyring.Keyring
	now      func() time.Time
	expander *expander
	buffers  buffers
}

func (d *decoder) decode(ctx context.Context, r *http.Request) (Submission, error) {
	principal, err := d.authenticate(ctx, r)
	if err != nil {
		return Submission{}, err
	}
	lines, err := linesOf(r.Header)
	if err != nil {
		return Submission{}, err
	}
	coding, err := codingOf(r.Header)
	if err != nil {
		return Submission{}, err
	}
	sub := Submission{
		Principal:      principal,
		ArrivedAt:      d.now().UTC().Truncate(time.Microsecond), // nothing of the body was read yet
		Lines:          lines,
		Strict:         prefersStrict(r.Header),
		IdempotencyKey: r.Header.Get("Idempotency-Key"),
		TraceParent:    stream.TraceParent(ctx),
		TraceID:        trace.SpanContextFromContext(ctx).TraceID(),
	}
	if len(sub.IdempotencyKey) > maxIdempotencyKey {
		return Submission{}, fault.New(fault.CodeParameter, "Idempotency-Key is longer than 255 bytes")
	}
	sub.hold = holdOf(ctx)
	if err = sub.hold.begin(owner{principal.Application.UID, principal.Credential == ""}); err != nil {
		return Submission{}, err
	}
	if sub.buffer, err = d.body(ctx, r, coding, sub.hold); err != nil {
		return Submission{}, err
	}
	sub.Body = *sub.buffer
	return sub, nil
}

// prefersStrict reads Prefer: handling=strict (RFC 7240). Of several handlings the first counts; parameters mean nothing.
func prefersStrict(h http.Header) bool {
	for _, line := range h["Prefer"] {
		for preference := range strings.SplitSeq(line, ",") {
			preference, _, _ = strings.Cut(preference, ";")
			name, value, _ := strings.Cut(preference, "=")
			if strings.EqualFold(strings.TrimSpace(name), "handling") {
				return strings.Trim(strings.TrimSpace(value), `"`) == "strict"
			}
		}
	}
	return false
}
