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
	"github.com/theeye-dev/theeye/services/internal/quota"
	"github.com/theeye-dev/theeye/services/internal/stream"
)

// maxIdempotencyKey is how long an Idempotency-Key may be, in bytes.
const maxIdempotencyKey = 255

// Handler serves ingest's public port. failures may be nil.
func Handler(s *Service, keys *keyring.Keyring, failures *kit.Failures, observer *kit.Observer) *http.ServeMux {
	d := &decoder{open: s.open, keys: keys, failures: failures, limiter: s.limiter, now: s.now, expander: newExpander()}
	mux := http.NewServeMux()
	accept := func(ctx context.Context, sub Submission) (*Receipt, error) {
		defer d.buffers.put(sub.buffer)
		defer sub.tellLimit()
		return s.Accept(ctx, sub)
	}
	mux.Handle("POST /v1/events", shared(keys, observer.Route("/v1/events", drained(s.admission.admit(kit.Handler(accept, d.decode, encode))))))
	mux.Handle("OPTIONS /v1/events", observer.Route("/v1/events", preflight(keys)))
	mux.Handle("/v1/events", shared(keys, kit.MethodNotAllowed(allowed)))
	kit.ServeOpenAPI(mux)
	mux.Handle("/", kit.NotFound())
	return mux
}

// decoder turns a request into a Submission. It checks the credential, and whether anything may be let in, before it
// reads the body.
type decoder struct {
	open     func(keyring.Principal) error // the service's
	keys     *keyring.Keyring
	failures *kit.Failures
	limiter  *quota.Limiter
	now      func() time.Time
	expander *expander
	buffers  buffers
}

func (d *decoder) decode(ctx context.Context, r *http.Request) (Submission, error) {
	principal, err := d.authenticate(ctx, r)
	if err != nil {
		return Submission{}, err
	}
	if err = d.open(principal); err != nil {
		return Submission{}, err
	}
	form, err := formOf(r.Header)
	if err != nil {
		return Submission{}, err
	}
	coding, err := codingOf(r.Header)
	if err != nil {
		return Submission{}, err
	}
	idempotencyKey, err := idempotencyKeyOf(r.Header)
	if err != nil {
		return Submission{}, err
	}
	if name := notText(r.Header); form.binary && name != "" {
		return Submission{}, fault.New(fault.CodeParameter, strings.ToLower(name)+" is not UTF-8; percent-encode what is not ASCII")
	}
	sub := Submission{
		Principal:      principal,
		ArrivedAt:      d.now().UTC().Truncate(time.Microsecond), // nothing of the body was read yet
		form:           form,
		header:         r.Header,
		Strict:         prefersStrict(r.Header),
		IdempotencyKey: idempotencyKey,
		TraceParent:    stream.TraceParent(ctx),
		TraceID:        trace.SpanContextFromContext(ctx).TraceID(),
	}
	sub.hold, sub.allowance = holdOf(ctx), d.limiter.Of(principal)
	if err = sub.allowance.Exhausted(ctx); err != nil {
		sub.tellLimit()
		return Submission{}, err // whatever its body is
	}
	if err = sub.hold.begin(sub.owner()); err != nil {
		return Submission{}, err
	}
	if sub.buffer, err = d.body(ctx, r, coding, sub.hold); err != nil {
		sub.charge(err, sub.hold.read)
		sub.tellLimit()
		return Submission{}, err
	}
	sub.Body = *sub.buffer
	return sub, nil
}

// tellLimit sets the fields of the answer that tell what the application may still send.
func (sub *Submission) tellLimit() {
	if sub.hold != nil {
		sub.allowance.Header(sub.hold.header)
	}
}

// idempotencyKeyOf reads Idempotency-Key; "": there is none. One that says nothing, or two things, is refused: its sender
// would rely on ids that are new with every attempt, or on those of the other key.
func idempotencyKeyOf(h http.Header) (string, error) {
	switch keys := h["Idempotency-Key"]; {
	case len(keys) == 0:
		return "", nil
	case len(keys) > 1:
		return "", fault.New(fault.CodeParameter, "Idempotency-Key is given more than once")
	case keys[0] == "":
		return "", fault.New(fault.CodeParameter, "Idempotency-Key is empty; leave it out, or send one that is new with every request and the same with every repetition")
	case len(keys[0]) > maxIdempotencyKey:
		return "", fault.New(fault.CodeParameter, "Idempotency-Key is longer than 255 bytes")
	default:
		return keys[0], nil
	}
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
