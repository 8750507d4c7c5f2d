package event_test

import (
	"bytes"
	"encoding/hex"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/theeye-dev/theeye/api/event"
)

// sample is a request with every field in use.
func sample() event.Request {
	return event.Request{
		Application: uuid.MustParse("6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
		Credential:  "k2",
		ReceivedAt:  time.Date(2026, 3, 4, 5, 6, 7, 891_011_000, time.UTC),
		Sequence:    uuid.MustParse("019cb7d3-4e83-7e4f-8000-0001deadbeef"),
		TraceID:     [16]byte{0x4b, 0xf9, 0x2f, 0x35, 15: 0x36},
		Items: []event.Item{
			{Original: []byte(whole), ID: "e1", OccurredAt: time.Date(2021, 1, 1, 9, 15, 27, 243_860_000, time.UTC)},
			{Original: []byte(`{}`), OccurredAt: time.Date(1969, 12, 31, 23, 59, 59, 999_999_000, time.UTC)},
			{Original: []byte(`{"a":1`), Truncated: true, Refusal: &event.Refusal{Code: event.CodeTooLarge}},
			{Original: []byte(`{"x":1}`), ID: "x", Refusal: &event.Refusal{Code: event.CodeUnknown, Detail: "unknown field \"x\"", Pointer: "/x"}},
		},
	}
}

// least is the smallest request that can be read back.
func least() event.Request {
	return event.Request{
		Application: uuid.Max, Sequence: uuid.Max, ReceivedAt: time.UnixMicro(0).UTC(),
		Items: []event.Item{{Original: []byte{}, OccurredAt: time.UnixMicro(0).UTC()}},
	}
}

// The encoding is what the release before reads: a change of it must not pass unseen.
func TestEncodingIsStable(t *testing.T) {
	t.Parallel()
	cloud := least()
	cloud.Items[0].Format = event.CloudEvent
	counted := least()
	counted.Number = 4097
	counted.Items = []event.Item{{Original: []byte{}, Truncated: true, Count: 300, Refusal: &event.Refusal{Code: event.CodeMissing}}}
	schema := least()
	schema.Items = []event.Item{{Original: []byte("{}"), Refusal: &event.Refusal{Code: event.CodeSchemaMismatch, Schema: &event.SchemaDigest{1, 31: 32}}}}
	for name, r := range map[string]event.Request{"whole": sample(), "least": least(), "cloudevent": cloud, "counted": counted, "schema": schema} {
		golden(t, "request_"+name+".golden", hex.Dump(event.AppendRequest(nil, &r)))
	}
}

// What the release before wrote stays readable, whatever AppendRequest writes now: these bytes were put together by
// hand from batch.proto.
func TestDecodeEarlierRelease(t *testing.T) {
	t.Parallel()
	const written = "0a3c" + // one request
		"0a10" + "6ba7b8109dad11d180b400c04fd430c8" + // application
		"1202" + "6b32" + // credential k2
		"1802" + // received 1 µs after the epoch
		"2210" + "019cb7d34e837e4f80000001deadbeef" + // sequence
		"3210" + // an item
		"0a07" + "7b2261223a317d" + // {"a":1}
		"1202" + "6531" + // e1
		"18ac02" // 150 µs after the epoch
	batch, err := hex.DecodeString(written)
	if err != nil {
		t.Fatal(err)
	}
	got, err := event.DecodeBatch(batch)
	if err != nil {
		t.Fatal(err)
	}
	want := []event.Request{{
		Application: uuid.MustParse("6ba7b810-9dad-11d1-80b4-00c04fd430c8"), Credential: "k2",
		Sequence:   uuid.MustParse("019cb7d3-4e83-7e4f-8000-0001deadbeef"),
		ReceivedAt: time.UnixMicro(1).UTC(),
		Items:      []event.Item{{Original: []byte(`{"a":1}`), ID: "e1", OccurredAt: time.UnixMicro(150).UTC()}},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	var batch []byte
	var want []event.Request
	for range 500 {
		request := randomRequest(r)
		before := len(batch)
		batch = event.AppendRequest(batch, &request)
		got, err := event.DecodeBatch(batch[before:]) // size() was exact, or this would not decode
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]event.Request{request}, got, wholeBytes); diff != "" {
			t.Fatal(diff)
		}
		want = append(want, request)
	}
	got, err := event.DecodeBatch(batch) // joined end to end, batches are a batch
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, wholeBytes); diff != "" {
		t.Error(diff)
	}
}

// wholeBytes spares cmp the comparison of long texts byte by byte.
var wholeBytes = cmp.Comparer(bytes.Equal)

func randomRequest(r *rand.Rand) event.Request {
	request := event.Request{
		Application: randomUUID(r), Sequence: randomUUID(r), ReceivedAt: randomTime(r), Credential: strings.Repeat("c", r.IntN(17)),
	}
	if r.IntN(2) == 0 {
		request.TraceID = randomUUID(r)
	}
	request.Number = []uint64{0, 1, 127, 128, math.MaxUint64}[r.IntN(5)]
	for range r.IntN(5) {
		// lengths around those where a varint grows by a byte
		item := event.Item{Original: bytes.Repeat([]byte("x"), []int{0, 1, 100, 127, 128, 16383, 16384}[r.IntN(7)])}
		item.ID = strings.Repeat("é", r.IntN(129))
		item.Format = event.Format([]uint8{0, 1, 127, 128, 255}[r.IntN(5)])
		if r.IntN(3) == 0 {
			item.Refusal = &event.Refusal{Code: event.CodeLength, Detail: strings.Repeat("d", r.IntN(200)), Pointer: strings.Repeat("/p", r.IntN(100))}
			item.Truncated = r.IntN(2) == 0
			if r.IntN(2) == 0 {
				item.Refusal.Schema = &event.SchemaDigest{byte(r.IntN(256))}
			}
			item.Count = []int64{0, 1, 127, 128, math.MaxInt32}[r.IntN(5)]
		} else {
			item.OccurredAt = randomTime(r)
		}
		request.Items = append(request.Items, item)
	}
	return request
}

func randomUUID(r *rand.Rand) (id uuid.UUID) {
	for i := range id {
		id[i] = byte(r.IntN(256))
	}
	return id
}

func randomTime(r *rand.Rand) time.Time {
	first, last := time.Date(1, 1, 1, 0, 0, 1, 0, time.UTC).UnixMicro(), time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC).UnixMicro()
	return time.UnixMicro(first + r.Int64N(last-first)).UTC()
}

func TestTimesTravelInMicroseconds(t *testing.T) {
	t.Parallel()
	r := sample()
	r.ReceivedAt = time.Date(2026, 3, 4, 5, 6, 7, 891_011_999, time.FixedZone("x", 3600))
	got, err := event.DecodeBatch(event.AppendRequest(nil, &r))
	if err != nil {
		t.Fatal(err)
	}
	if want := time.Date(2026, 3, 4, 4, 6, 7, 891_011_000, time.UTC); got[0].ReceivedAt != want {
		t.Errorf("received at %v, want %v", got[0].ReceivedAt, want)
	}
}

func TestDecodeSkipsUnknownFields(t *testing.T) {
	t.Parallel()
	unknown := func(b []byte, first protowire.Number) []byte {
		b = protowire.AppendVarint(protowire.AppendTag(b, first, protowire.VarintType), 1<<63)
		b = protowire.AppendString(protowire.AppendTag(b, first+1, protowire.BytesType), "later")
		b = protowire.AppendFixed32(protowire.AppendTag(b, first+2, protowire.Fixed32Type), 7)
		b = protowire.AppendFixed64(protowire.AppendTag(b, first+3, protowire.Fixed64Type), 7)
		b = protowire.AppendTag(b, first+4, protowire.StartGroupType)
		b = protowire.AppendVarint(protowire.AppendTag(b, 1, protowire.VarintType), 1)
		return protowire.AppendTag(b, first+4, protowire.EndGroupType)
	}
	want := least()
	encoded := event.AppendRequest(nil, &want)
	_, _, n := protowire.ConsumeTag(encoded)
	request, _ := protowire.ConsumeBytes(encoded[n:])
	item := []byte{0x0a, 0x00, 0x18, 0x00} // as in the golden file of least
	if !bytes.HasSuffix(request, append([]byte{0x32, byte(len(item))}, item...)) {
		t.Fatalf("the request ends in %x", request)
	}
	request = append([]byte{}, request[:len(request)-2-len(item)]...)
	request = protowire.AppendBytes(protowire.AppendTag(request, 6, protowire.BytesType), unknown(item, 100))
	batch := protowire.AppendBytes(protowire.AppendTag(unknown(nil, 2), 1, protowire.BytesType), unknown(request, 8))
	got, err := event.DecodeBatch(unknown(batch, 1000))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]event.Request{want}, got); diff != "" {
		t.Error(diff)
	}
}

func TestDecodeBatchErrors(t *testing.T) {
	t.Parallel()
	message := func(parts ...[]byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), bytes.Join(parts, nil))
	}
	text := func(number protowire.Number, value string) []byte {
		return protowire.AppendString(protowire.AppendTag(nil, number, protowire.BytesType), value)
	}
	varint := func(number protowire.Number, value uint64) []byte {
		return protowire.AppendVarint(protowire.AppendTag(nil, number, protowire.VarintType), value)
	}
	id := strings.Repeat("i", 16)
	head := bytes.Join([][]byte{text(1, id), varint(3, 2), text(4, id)}, nil)
	item := func(parts ...[]byte) []byte { return text(6, string(bytes.Join(parts, nil))) }
	if _, err := event.DecodeBatch(message(head, item(text(1, "{}"), varint(3, 2)))); err != nil {
		t.Fatalf("the base of all cases has an error: %v", err)
	}
	for name, batch := range map[string][]byte{
		"no application":              message(varint(3, 2), text(4, id)),
		"no received time":            message(text(1, id), text(4, id)),
		"no sequence":                 message(text(1, id), varint(3, 2)),
		"empty request":               message(),
		"request as varint":           varint(1, 1),
		"application too short":       message(head, text(1, id[1:])),
		"application too long":        message(head, text(1, id+"i")),
		"application as varint":       message(head, varint(1, 7)),
		"credential as varint":        message(head, varint(2, 7)),
		"received time as bytes":      message(text(1, id), text(3, "2"), text(4, id)),
		"received time before year 1": message(head, varint(3, protowire.EncodeZigZag(time.Time{}.UnixMicro()))),
		"received time after 9999":    message(head, varint(3, protowire.EncodeZigZag(1<<62))),
		"sequence too short":          message(head, text(4, "x")),
		"trace id too short":          message(head, text(5, "x")),
		"items as varint":             message(head, varint(6, 7)),
		"original as varint":          message(head, item(varint(1, 7), varint(3, 2))),
		"id as varint":                message(head, item(text(1, "{}"), varint(2, 7), varint(3, 2))),
		"occurred as bytes":           message(head, item(text(1, "{}"), text(3, "x"))),
		"occurred out of range":       message(head, item(text(1, "{}"), varint(3, 1<<63))),
		"neither time nor refusal":    message(head, item(text(1, "{}"))),
		"detail without code":         message(head, item(text(1, "{}"), text(5, "d"))),
		"code as varint":              message(head, item(text(1, "{}"), varint(4, 1))),
		"format as bytes":             message(head, item(text(1, "{}"), varint(3, 2), text(8, "1"))),
		"number as bytes":             message(head, text(7, "1")),
		"count as bytes":              message(head, item(text(1, "{}"), text(4, "x"), text(9, "1"))),
		"count beyond an int32":       message(head, item(text(1, "{}"), text(4, "x"), varint(9, math.MaxInt32+1))),
		"schema too short":            message(head, item(text(1, "{}"), text(4, "x"), text(10, "x"))),
		"schema as varint":            message(head, item(text(1, "{}"), text(4, "x"), varint(10, 1))),
		"format beyond a byte":        message(head, item(text(1, "{}"), varint(3, 2), varint(8, 256))),
		"truncated as bytes":          message(head, item(text(1, "{}"), varint(3, 2), text(7, "x"))),
		"field number 0":              {0x02, 0x00},
		"reserved wire type":          {0x0f},
		"length beyond the end":       {0x0a, 0x05, 0x00},
		"length that overflows":       append([]byte{0x0a}, bytes.Repeat([]byte{0xff}, 10)...),
		"group without an end":        {0x13, 0x08, 0x01},
	} {
		if got, err := event.DecodeBatch(batch); err == nil || got != nil {
			t.Errorf("%s: %+v, error %v", name, got, err)
		}
	}
}

// Cut off anywhere but between two requests, a batch is an error and not a shorter batch.
func TestDecodeTruncated(t *testing.T) {
	t.Parallel()
	first, second := sample(), least()
	batch := event.AppendRequest(nil, &first)
	whole := len(batch)
	batch = event.AppendRequest(batch, &second)
	for n := range batch {
		got, err := event.DecodeBatch(batch[:n])
		if boundary := n == 0 || n == whole; (err == nil) != boundary {
			t.Errorf("%d of %d bytes: %d requests, error %v", n, len(batch), len(got), err)
		}
	}
}

func FuzzDecodeBatch(f *testing.F) {
	cloud := least()
	cloud.Items[0].Format = event.CloudEvent
	for _, r := range []event.Request{sample(), least(), cloud} {
		f.Add(event.AppendRequest(nil, &r))
	}
	f.Add([]byte{})
	f.Add([]byte{0x0a, 0x00})
	f.Add([]byte{0x12, 0x01, 0x00})
	f.Fuzz(func(t *testing.T, batch []byte) {
		requests, err := event.DecodeBatch(batch)
		if err != nil {
			if requests != nil {
				t.Fatal("requests beside an error")
			}
			return
		}
		var again []byte
		for i := range requests {
			again = event.AppendRequest(again, &requests[i])
		}
		got, err := event.DecodeBatch(again)
		if err != nil {
			t.Fatalf("written again: %v", err)
		}
		if len(got) != len(requests) {
			t.Fatalf("%d requests, were %d", len(got), len(requests))
		}
		var third []byte
		for i := range got {
			third = event.AppendRequest(third, &got[i])
		}
		if !bytes.Equal(again, third) {
			t.Fatalf("not stable:\n%x\n%x", again, third)
		}
	})
}

func TestAppendRequestDoesNotAllocate(t *testing.T) {
	r := sample()
	buf := event.AppendRequest(nil, &r)
	if n := testing.AllocsPerRun(100, func() { buf = event.AppendRequest(buf[:0], &r) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
