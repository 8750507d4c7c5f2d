package event

import (
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
	Number      uint64 // of the first counted item; see Sequencer.Number; zero when there is none, or in old requests
}

// Item is one event of a request.
type Item struct {
	Original   []byte    // the event's JSON as the client sent it; of a CloudEvent in binary mode its structured form
	Format     Format    // of Original
	ID         string    // given by the server, when the client sent none; empty: the item's sequence
	OccurredAt time.Time // the corrected timestamp; zero on refused items
	Refusal    *Refusal  // nil on accepted items
	Truncated  bool      // Original is only the beginning
	Count      int64     // of a counted item: how many refused events of its code it stands for, whose originals are left out; else 0
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
	requestNumber      = 7

	itemOriginal   = 1
	itemID         = 2
	itemOccurredAt = 3
	itemCode       = 4
	itemDetail     = 5
	itemPointer    = 6
	itemTruncated  = 7
	itemFormat     = 8
	itemCount      = 9
	itemSchema     = 10
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
	if r.Number != 0 {
		batch = protowire.AppendVarint(protowire.AppendTag(batch, requestNumber, protowire.VarintType), r.Number)
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
	if r.Number != 0 {
		n += 1 + protowire.SizeVarint(r.Number)
	}
	return n
}

func (it *Item) size() int {
	n := 1 + protowire.SizeBytes(len(it.Original)) + sizeText(it.ID) + sizeMicros(it.OccurredAt)
	if r := it.Refusal; r != nil {
		n += sizeText(string(r.Code)) + sizeText(r.Detail) + sizeText(r.Pointer)
		if r.Schema != nil {
			n += 1 + protowire.SizeBytes(len(r.Schema))
		}
	}
	if it.Truncated {
		n += 2
	}
	if it.Format != Native {
		n += 1 + protowire.SizeVarint(uint64(it.Format))
	}
	if it.Count != 0 {
		n += 1 + protowire.SizeVarint(uint64(it.Count))
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
	if it.Format != Native {
		b = protowire.AppendVarint(protowire.AppendTag(b, itemFormat, protowire.VarintType), uint64(it.Format))
	}
	if it.Count != 0 {
		b = protowire.AppendVarint(protowire.AppendTag(b, itemCount, protowire.VarintType), uint64(it.Count))
	}
	if it.Refusal != nil && it.Refusal.Schema != nil {
		b = appendBytes(b, itemSchema, it.Refusal.Schema[:])
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
