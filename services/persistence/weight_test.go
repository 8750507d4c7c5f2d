package persistence

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/theeye-dev/theeye/api/event"
)

// answered is how many bytes a row has in an answer.
func answered(t interface{ Fatalf(string, ...any) }, row any) int {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(row); err != nil {
		t.Fatalf("encode: %v", err)
	}
	return b.Len()
}

// TestNoRowIsHeavierThanItsWeight, nor much lighter, whatever its texts have in them.
func TestNoRowIsHeavierThanItsWeight(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		some := func(name string) string {
			return rapid.StringOf(rapid.SampledFrom([]rune("ab\"\\<>&\x00\x01\x1f\x7f\b\f\n\r\t/é\u2027\u2028\u2029\u202a\ufffd😀"))).Draw(r, name)
		}
		check := func(row any, weight, frame int) {
			if n := answered(r, row); n > weight || n < weight-frame {
				r.Fatalf("%d bytes weigh %d: %+v", n, weight, row)
			}
		}
		text := some("text")
		if n := answered(r, text) - len("\"\"\n"); n != escaped(text) || n != escaped([]byte(text)) {
			r.Fatalf("%q has %d bytes in JSON, not %d", text, n, escaped(text))
		}
		raw, err := json.Marshal(map[string]string{some("key"): some("value")})
		if err != nil {
			r.Fatal(err)
		}
		e := Event{
			ID: some("id"), Application: uuid.Max, SessionID: some("session"), Category: some("category"), Name: some("name"), Type: some("type"), Data: raw, Attributes: raw,
			Timestamp: someTime, ClientTimestamp: someTime, ReceivedAt: someTime, StoredAt: someTime, Sequence: uuid.Max, Credential: "0123456789abcdef",
			Public: true, TraceID: someTrace, Cursor: some("cursor"),
		}
		check(e, e.weight(), eventFrame)
		tried := Attempted{At: someTime, Outcome: Duplicate, Code: some("why"), Detail: some("detail"), Pointers: []string{some("pointer")}}
		f := Failure{
			ID: uuid.Max, Application: &uuid.Max, Credential: "0123456789abcdef", Public: true, EventID: some("event id"), Code: string(event.CodeConflict), Count: 1 << 62,
			Detail: text, Pointers: []string{some("pointer"), some("pointer")}, Stage: string(StagePersistence), State: stateDiscarded, ReceivedAt: someTime,
			Original: new(some("original")), Truncated: true, LeftOut: true, Format: "cloudevents", TraceID: someTrace, SchemaDigest: someTrace + someTrace,
			Attempt: &tried, Attempts: []Attempted{tried, tried}, Schema: raw, SchemaCurrent: new(false),
		}
		check(f, f.weight(), failureFrame+3*attemptFrame)
		f.Original, f.OriginalBase64 = nil, rapid.SliceOf(rapid.Byte()).Draw(r, "bytes")
		check(f, f.weight(), failureFrame+3*attemptFrame)
		s := SessionSummary{SessionID: text, FirstAt: someTime, LastAt: someTime, Count: 1 << 62, Applications: []uuid.UUID{uuid.Max, uuid.Max}}
		check(s, s.weight(), sessionFrame)
		count := Count{At: someTime, Application: uuid.Max, Category: text, Name: some("name"), Outcome: Duplicate, Events: 1 << 62}
		check(count, count.weight(), countFrame)
		replay := Replay{
			ID: uuid.Max, State: stateCancelled, DryRun: true, Application: &uuid.Max, Code: text, Stage: string(StagePersistence), From: someTime, To: someTime,
			Total: 1 << 62, Done: 1 << 62, Outcomes: map[string]int64{"stored": 1 << 62, some("outcome"): 1}, Codes: map[string]int64{some("code"): 1 << 62},
			RequestedAt: someTime, FinishedAt: someTime,
		}
		check(&replay, replay.weight(), replayFrame+3*countBytes)
	})
}

// The longest that there are.
const (
	someTime  = "2026-11-29T17:47:23.123456Z"
	someTrace = "0123456789abcdef0123456789abcdef"
)
