package stream

import (
	"context"
	"strings"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// TraceParent returns the W3C traceparent of the span in ctx when it is sampled, else "": only those are linked.
func TraceParent(ctx context.Context) string {
	if !trace.SpanContextFromContext(ctx).IsSampled() {
		return ""
	}
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier["traceparent"]
}

// links turns space-separated traceparents into span links: a batch has many creators and so no parent.
func links(traceparents string) []trace.Link {
	var found []trace.Link
	for parent := range strings.FieldsSeq(traceparents) {
		ctx := propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{"traceparent": parent})
		if sc := trace.SpanContextFromContext(ctx); sc.IsValid() && len(found) < maxTraces {
			found = append(found, trace.Link{SpanContext: sc})
		}
	}
	return found
}
