package ingest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	metricnoop "go.opentelemetry.io/otel/metric/noop"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/ingest"
	"github.com/theeye-dev/theeye/services/internal/check"
	"github.com/theeye-dev/theeye/services/internal/fault"
	"github.com/theeye-dev/theeye/services/internal/keyring"
	"github.com/theeye-dev/theeye/services/internal/stream"
)

// publisher is a Publisher that a function stands for.
type publisher func(ctx context.Context, payload []byte) error

func (p publisher) Publish(ctx context.Context, payload []byte, _ string) error {
	return p(ctx, payload)
}

func (publisher) Ailing() bool { return false }

func service(t testing.TB, p publisher) *ingest.Service {
	t.Helper()
	metrics, err := ingest.NewMetrics(metricnoop.Meter{})
	if err != nil {
		t.Fatal(err)
	}
	return ingest.New(p, func() error { return nil }, time.Now, metrics)
}

func submission(body string) ingest.Submission {
	return ingest.Submission{
		Principal: principal(registry.Policy{}),
		Body:      []byte(body),
	}
}

func principal(policy registry.Policy) keyring.Principal {
	a := &registry.Application{UID: uuid.UUID{1}, Policy: policy}
	return keyring.Principal{Application: a, Rules: check.Of(&a.Policy, nil), Credential: "1"}
}

func TestPublishErrors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err  error
		code fault.Code
	}{
		"overloaded":  {stream.ErrOverloaded, fault.CodeOverloaded},
		"refused":     {errors.Join(stream.ErrRefused, errors.New("OOM")), fault.CodeUnavailable},
		"stopped":     {stream.ErrStopped, fault.CodeShuttingDown},
		"unconfirmed": {errors.Join(stream.ErrUnavailable, errors.New("i/o timeout")), fault.CodeUnavailable},
		"gone":        {context.Canceled, fault.CodeUnavailable},
		"any other":   {errors.New("x"), fault.CodeUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			receipt, err := service(t, func(context.Context, []byte) error { return c.err }).Accept(t.Context(), submission(good))
			if receipt != nil || fault.KindOf(err) != fault.Unavailable || fault.ProblemOf(err).Code != c.code || !errors.Is(err, c.err) {
				t.Errorf("got %v, %v", receipt, err)
			}
		})
	}
}

// TestAbandonedPayloadIsNotReused: after an error the publisher may still read what it was given.
func TestAbandonedPayloadIsNotReused(t *testing.T) {
	t.Parallel()
	var kept, before []byte
	s := service(t, func(ctx context.Context, payload []byte) error {
		if kept == nil {
			kept, before = payload, bytes.Clone(payload)
			return context.Canceled
		}
		return nil
	})
	if _, err := s.Accept(t.Context(), submission(good)); err == nil {
		t.Fatal("no error")
	}
	for n := range 100 {
		if _, err := s.Accept(t.Context(), submission(with(fmt.Sprintf(`"id":"%d"`, n)))); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(kept, before) {
		t.Error("a payload changed after Publish had failed")
	}
}

// BenchmarkAccept is the hot path without HTTP and Redis: split, judge, encode.
func BenchmarkAccept(b *testing.B) {
	s := service(b, func(context.Context, []byte) error { return nil })
	event := func(members string) string {
		return `{` + members + `"session_id":"session-0001","category":"page interaction","name":"pageview","timestamp":"` +
			time.Now().UTC().Format(time.RFC3339Nano) + `","data":{"host":"shop.example.com","path":"/a/b?c=d","n":17,"seen":true,` +
			`"title":"` + strings.Repeat("x", 120) + `","tags":["a","b"]}}`
	}
	for _, size := range []int{1, 100} {
		for name, members := range map[string]string{"own ids": `"id":"%d",`, "no ids": ""} {
			events := make([]string, size)
			for i := range events {
				events[i] = event(members)
				if members != "" {
					events[i] = event(fmt.Sprintf(members, i))
				}
			}
			body := events[0]
			if size > 1 {
				body = "[" + strings.Join(events, ",") + "]"
			}
			b.Run(fmt.Sprintf("batch=%d/%s", size, name), func(b *testing.B) {
				sub := submission(body)
				b.SetBytes(int64(len(body)))
				b.ReportAllocs()
				for b.Loop() {
					receipt, err := s.Accept(b.Context(), sub)
					if err != nil || receipt.Accepted != size {
						b.Fatal(receipt, err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*size), "ns/event")
			})
		}
	}
}

// BenchmarkAcceptDeclared holds applications that declare nothing, as many other types as they may, and the event's own
// type, without a schema and with one.
func BenchmarkAcceptDeclared(b *testing.B) {
	const schema = `{"type":"object","required":["host","path"],"properties":{"host":{"type":"string","maxLength":253},
		"path":{"type":"string","pattern":"^/"}}}`
	s := service(b, func(context.Context, []byte) error { return nil })
	var others []registry.EventType
	for i := range registry.MaxEventTypes - 1 {
		others = append(others, registry.EventType{
			Category: "page interaction", Name: fmt.Sprintf("type %03d", i), Schema: registry.Schema(schema),
		})
	}
	own := registry.EventType{Category: "page interaction", Name: "pageview"}
	checked := own
	checked.Schema = registry.Schema(schema)
	body := with(`"data":{"host":"shop.example.com","path":"/a"}`)
	for _, declared := range []struct {
		name  string
		types []registry.EventType
	}{
		{"nothing", nil},
		{"others", others},
		{"own type", append(slices.Clip(others), own)},
		{"own schema", append(slices.Clip(others), checked)},
	} {
		for _, size := range []int{1, 100} {
			sub := submission(repeat(body, size))
			sub.Principal = principal(registry.Policy{EventTypes: declared.types})
			b.Run(fmt.Sprintf("%s/batch=%d", declared.name, size), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if receipt, err := s.Accept(b.Context(), sub); err != nil || receipt.Accepted != size {
						b.Fatal(receipt, err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*size), "ns/event")
			})
		}
	}
}
