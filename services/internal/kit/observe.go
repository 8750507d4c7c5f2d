package kit

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"

	"github.com/theeye-dev/theeye/services/internal/fault"
)

// Observer watches every request of a public port: duration, status, and in the log the errors that are ours.
type Observer struct {
	Log     *slog.Logger
	Tracing bool // wrap requests in spans; off when no OTLP endpoint is configured, for it costs 3 µs a request

	duration metric.Float64Histogram
}

// NewObserver registers http.server.request.duration (seconds, OpenTelemetry semantic conventions) with a meter.
func NewObserver(log *slog.Logger, meter metric.Meter, tracing bool) (*Observer, error) {
	duration, err := meter.Float64Histogram("http.server.request.duration",
		metric.WithUnit("s"), metric.WithDescription("Duration of HTTP server requests."),
		metric.WithExplicitBucketBoundaries(.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10))
	return &Observer{Log: log, Tracing: tracing, duration: duration}, err
}

// Route observes the handler of one route, named by its pattern.
func (o *Observer) Route(pattern string, next http.Handler) http.Handler {
	route := pattern[strings.IndexByte(pattern, ' ')+1:] // the method is a label of its own
	labels := &labelSets{route: route, sets: map[label]metric.MeasurementOption{}}
	var handler http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begin := time.Now()
		answer := &recorder{ResponseWriter: w, status: http.StatusOK}
		if !o.Tracing && r.Header.Get("Traceparent") != "" { // the client's trace id is kept even where no spans are
			r = r.WithContext(propagation.TraceContext{}.Extract(r.Context(), propagation.HeaderCarrier(r.Header)))
		}
		next.ServeHTTP(answer, r)
		o.duration.Record(r.Context(), time.Since(begin).Seconds(), labels.of(r.Method, answer.status))
		if answer.failure != nil {
			o.Log.LogAttrs(r.Context(), level(answer.failure), "request failed", slog.String("route", route),
				slog.Int("status", answer.status), slog.Any("error", answer.failure))
		}
		if answer.cut {
			panic(http.ErrAbortHandler) //nolint:forbidigo // as net/http asks for: a client must not take it for whole
		}
	})
	if o.Tracing {
		handler = otelhttp.NewHandler(handler, pattern)
	}
	return handler
}

// level is how loud an error is: only our own bugs are. An outage fails every request, and is logged once by whoever
// finds it; what clients do wrong they are told.
func level(err error) slog.Level {
	if fault.KindOf(err) == fault.Internal {
		return slog.LevelError
	}
	return slog.LevelDebug
}

// label is what tells the requests of one route apart in metrics.
type label struct {
	method string
	status int
}

// labelSets keeps the attribute sets of a route: making one costs more than recording with it.
type labelSets struct {
	route string
	mu    sync.RWMutex
	sets  map[label]metric.MeasurementOption
}

// otherMethod is OpenTelemetry's name for methods that nobody knows: clients may not make labels up.
const otherMethod = "_OTHER"

func (l *labelSets) of(method string, status int) metric.MeasurementOption {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
		http.MethodOptions, http.MethodConnect, http.MethodTrace:
	default:
		method = otherMethod
	}
	l.mu.RLock()
	set, ok := l.sets[label{method, status}]
	l.mu.RUnlock()
	if ok {
		return set
	}
	set = metric.WithAttributeSet(attribute.NewSet(
		attribute.String("http.request.method", method),
		attribute.String("http.route", l.route),
		attribute.Int("http.response.status_code", status),
	))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sets[label{method, status}] = set
	return set
}

// recorder remembers what became of a request.
type recorder struct {
	http.ResponseWriter
	status  int
	began   bool  // something was written
	gone    bool  // writing failed: nobody is there to read it
	failure error // what the handler answered an error for
	cut     bool  // it did so when the answer had begun
}

func (r *recorder) WriteHeader(status int) {
	r.status, r.began = status, true
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (n int, err error) {
	r.began = true
	n, err = r.ResponseWriter.Write(b)
	r.gone = r.gone || err != nil
	return n, err
}

// FlushError sends what was written, the header at least.
func (r *recorder) FlushError() error {
	r.began = true
	return http.NewResponseController(r.ResponseWriter).Flush() //nolint:wrapcheck // the controller's own
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// failing answers with what tell makes of an error, unless an answer has begun: then it is too late for another, and that
// one is cut off.
func failing(tell func(http.ResponseWriter, error)) func(context.Context, error, http.ResponseWriter) {
	return func(_ context.Context, err error, w http.ResponseWriter) {
		r, observed := w.(*recorder)
		if observed && !r.gone {
			r.failure = err
		}
		if observed && r.began {
			r.cut = true
			return
		}
		tell(w, err)
	}
}
