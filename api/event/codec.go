package event

import (
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/encoding/protowire"
)

// Request is one POST as it travels: what was accepted and what was refused, appended to a stream together.
type Request struct {
	Application uuid.UUID
	Credential  string // id of the credential used
	ReceivedAt  time.Time
	Sequence    Sequence // of the first item; see Nth
	TraceID     [16]byte // zero when the request had no trace
	Items       []Item
}

// Item is one event of a request.
type Item struct {
	Original   []byte    // the event's JSON as the client sent it
	ID         string    // given by the server, when the client sent none
	OccurredAt time.Time // the corrected timestamp; zero on refused items
	Refusal    *Refusal  // nil on accepted items
	Truncated  bool      // Original is only the beginning
}

// Field numbers of batch.proto.
const (
	batchRequests = 1

	requestApplication = 1
	requestCredential  = 2
	requestReceivedAt  = 3
	requestSequence    = 4
	requestTraceID     = 5
	requestItems       = 6

	itemOriginal   = 1
	itemID         = 2
	itemOccurredAt = 3
	itemCode       = 4
	itemDetail     = 5
	itemPointer    = 6
	itemTruncated  = 7
)

// AppendRequest appends a request to a batch. Batches need no header: appending is all there is to merging.
func AppendRequest(batch []byte, r *Request) []byte {
	batch = protowire.AppendTag(batch, batchRequests, protowire.BytesType)
	batch = protowire.AppendVarint(batch, uint64(r.size()))
	batch = appendBytes(batch, requestApplication, r.Application[:])
	batch = appendText(batch, requestCredential, r.Credential)
	batch = appendMicros(batch, requestReceivedAt, r.ReceivedAt)
	batch = appendBytes(batch, requestSequence, r.Sequence[:])
	if r.TraceID != [16]byte{} {
		batch = appendBytes(batch, requestTraceID, r.TraceID[:])
	}
	for i := range r.Items {
		item := &r.Items[i]
		batch = protowire.AppendTag(batch, requestItems, protowire.BytesType)
		batch = protowire.AppendVarint(batch, uint64(item.size()))
		batch = item.append(batch)
	}
	return batch
}

func (r *Request) size() int {
	n := 2*(1+1+16) + sizeText(r.Credential) + sizeMicros(r.ReceivedAt)
	if r.TraceID != [16]byte{} {
		n += 1 + 1 + 16
	}
	for i := range r.Items {
		n += 1 + protowire.SizeBytes(r.Items[i].size())
	}
	return n
}

func (it *Item) size() int {
	n := 1 + protowire.SizeBytes(len(it.Original)) + sizeText(it.ID) + sizeMicros(it.OccurredAt)
	if r := it.Refusal; r != nil {
		n += sizeText(string(r.Code)) + sizeText(r.Detail) + sizeText(r.Pointer)
	}
	if it.Truncated {
		n += 2
	}
	return n
}

func (it *Item) append(b []byte) []byte {
	b = appendBytes(b, itemOriginal, it.Original)
	b = appendText(b, itemID, it.ID)
	b = appendMicros(b, itemOccurredAt, it.OccurredAt)
	if r := it.Refusal; r != nil {
		b = appendText(b, itemCode, string(r.Code))
		b = appendText(b, itemDetail, r.Detail)
		b = appendText(b, itemPointer, r.Pointer)
	}
	if it.Truncated {
		b = protowire.AppendVarint(protowire.AppendTag(b, itemTruncated, protowire.VarintType), 1)
	}
	return b
}

func sizeText(s string) int {
	if s == "" {
		return 0
	}
	return 1 + protowire.SizeBytes(len(s))
}

func sizeMicros(t time.Time) int {
	if t.IsZero() {
		return 0
	}
	return 1 + protowire.SizeVarint(protowire.EncodeZigZag(t.UnixMicro()))
}

func appendBytes(b []byte, field protowire.Number, v []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), v)
}

func appendText(b []byte, field protowire.Number, s string) []byte {
	if s == "" {
		return b
	}
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), s)
}

func appendMicros(b []byte, field protowire.Number, t time.Time) []byte {
	if t.IsZero() {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), protowire.EncodeZigZag(t.UnixMicro()))
}

var errWireType = errors.New("field has another wire type")

// fields calls set for every field of a message; set ignores the fields it does not know.
func fields(b []byte, set func(field protowire.Number, bytes []byte, varint uint64) error) error {
	for len(b) > 0 {
		field, wire, n := protowire.ConsumeTag(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		var value []byte
		var varint uint64
		switch wire {
		case protowire.BytesType:
			value, n = protowire.ConsumeBytes(b)
		case protowire.VarintType:
			varint, n = protowire.ConsumeVarint(b)
		default:
			n = protowire.ConsumeFieldValue(field, wire, b)
		}
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		if err := set(field, value, varint); err != nil {
			return fmt.Errorf("field %d: %w", field, err)
		}
	}
	return nil
}

// DecodeBatch reads a batch. The requests refer to its bytes. Unknown fields are skipped.
func DecodeBatch(batch []byte) ([]Request, error) {
	var requests []Request
	err := fields(batch, func(field protowire.Number, value []byte, _ uint64) error {
		if field != batchRequests {
			return nil
		}
		r, err := decodeRequest(value)
		if err != nil {
			return err
		}
		requests = append(requests, r)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("decode batch: %w", err)
	}
	return requests, nil
}

func decodeRequest(b []byte) (r Request, err error) {
	err = fields(b, func(field protowire.Number, value []byte, varint uint64) error {
		switch field {
		case requestApplication:
			return set16((*[16]byte)(&r.Application), value)
		case requestCredential:
			r.Credential = string(value)
		case requestReceivedAt:
			r.ReceivedAt = micros(varint)
		case requestSequence:
			return set16((*[16]byte)(&r.Sequence), value)
		case requestTraceID:
			return set16(&r.TraceID, value)
		case requestItems:
			item, err := decodeItem(value)
			r.Items = append(r.Items, item)
			return err
		}
		return nil
	})
	if err == nil && (r.Application == uuid.Nil || r.Sequence == uuid.Nil || r.ReceivedAt.IsZero()) {
		err = errors.New("request without application, sequence or received time")
	}
	return r, err
}

func decodeItem(b []byte) (it Item, err error) {
	var refusal Refusal
	err = fields(b, func(field protowire.Number, value []byte, varint uint64) error {
		switch field {
		case itemOriginal:
			it.Original = value
		case itemID:
			it.ID = string(value)
		case itemOccurredAt:
			it.OccurredAt = micros(varint)
		case itemCode:
			refusal.Code = Code(value)
		case itemDetail:
			refusal.Detail = string(value)
		case itemPointer:
			refusal.Pointer = string(value)
		case itemTruncated:
			it.Truncated = varint != 0
		}
		return nil
	})
	if refusal.Code != "" {
		it.Refusal = &refusal
	} else if err == nil && it.OccurredAt.IsZero() {
		err = errors.New("accepted item without a time")
	}
	return it, err
}

func set16(dst *[16]byte, value []byte) error {
	if len(value) != 16 {
		return errWireType
	}
	copy(dst[:], value)
	return nil
}

func micros(varint uint64) time.Time {
	return time.UnixMicro(protowire.DecodeZigZag(varint)).UTC()
}
