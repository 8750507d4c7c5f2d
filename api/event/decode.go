package event

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/encoding/protowire"
)

// Errors of DecodeBatch: what it reads was never written by AppendRequest.
var (
	errWireType   = errors.New("field has another wire type or length")
	errTime       = errors.New("time out of range")
	errIncomplete = errors.New("request without application, sequence or received time")
	errNoTime     = errors.New("accepted item without a time")
)

// wireField is one field of a message: bytes or varint, by its wire type.
type wireField struct {
	number protowire.Number
	wire   protowire.Type
	bytes  []byte
	varint uint64
}

// fields calls set for every field of a message; set ignores the fields it does not know.
func fields(b []byte, set func(f wireField) error) error {
	for len(b) > 0 {
		number, wire, n := protowire.ConsumeTag(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		f := wireField{number: number, wire: wire}
		switch wire {
		case protowire.BytesType:
			f.bytes, n = protowire.ConsumeBytes(b)
		case protowire.VarintType:
			f.varint, n = protowire.ConsumeVarint(b)
		default:
			n = protowire.ConsumeFieldValue(number, wire, b)
		}
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		if err := set(f); err != nil {
			return fmt.Errorf("field %d: %w", number, err)
		}
	}
	return nil
}

func (f wireField) message() ([]byte, error) {
	if f.wire != protowire.BytesType {
		return nil, errWireType
	}
	return f.bytes, nil
}

func (f wireField) setBytes(dst *[]byte) (err error) {
	*dst, err = f.message()
	return err
}

func (f wireField) setText(dst *string) error {
	b, err := f.message()
	*dst = string(b)
	return err
}

func (f wireField) set16(dst *[16]byte) error {
	if f.wire != protowire.BytesType || len(f.bytes) != len(dst) {
		return errWireType
	}
	copy(dst[:], f.bytes)
	return nil
}

func (f wireField) setBool(dst *bool) error {
	if f.wire != protowire.VarintType {
		return errWireType
	}
	*dst = f.varint != 0
	return nil
}

func (f wireField) setFormat(dst *Format) error {
	if f.wire != protowire.VarintType || f.varint > math.MaxUint8 {
		return errWireType
	}
	*dst = Format(f.varint)
	return nil
}

func (f wireField) setNumber(dst *uint64) error {
	if f.wire != protowire.VarintType {
		return errWireType
	}
	*dst = f.varint
	return nil
}

// setSchema keeps no reference to the batch.
func (f wireField) setSchema(dst **SchemaDigest) error {
	if f.wire != protowire.BytesType || len(f.bytes) != len(SchemaDigest{}) {
		return errWireType
	}
	digest := SchemaDigest(f.bytes)
	*dst = &digest
	return nil
}

// setCount refuses what no request can have: sums of counts must not overflow.
func (f wireField) setCount(dst *int64) error {
	if f.wire != protowire.VarintType || f.varint > math.MaxInt32 {
		return errWireType
	}
	*dst = int64(f.varint)
	return nil
}

// The times that FormatTimestamp can write and PostgreSQL can keep, in Unix microseconds; the zero time is below.
var (
	minMicros = time.Time{}.UnixMicro() + 1
	maxMicros = time.Date(9999, time.December, 31, 23, 59, 59, 999_999_000, time.UTC).UnixMicro()
)

func (f wireField) setMicros(dst *time.Time) error {
	if f.wire != protowire.VarintType {
		return errWireType
	}
	micros := protowire.DecodeZigZag(f.varint)
	if micros < minMicros || micros > maxMicros {
		return errTime
	}
	*dst = time.UnixMicro(micros).UTC()
	return nil
}

// DecodeBatch reads a batch. The requests refer to its bytes. Unknown fields are skipped.
func DecodeBatch(batch []byte) ([]Request, error) {
	var requests []Request
	err := fields(batch, func(f wireField) error {
		if f.number != batchRequests {
			return nil
		}
		message, err := f.message()
		if err != nil {
			return err
		}
		r, err := decodeRequest(message)
		requests = append(requests, r)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("decode batch: %w", err)
	}
	return requests, nil
}

func decodeRequest(b []byte) (r Request, err error) {
	err = fields(b, func(f wireField) error {
		switch f.number {
		case requestApplication:
			return f.set16((*[16]byte)(&r.Application))
		case requestCredential:
			return f.setText(&r.Credential)
		case requestReceivedAt:
			return f.setMicros(&r.ReceivedAt)
		case requestSequence:
			return f.set16((*[16]byte)(&r.Sequence))
		case requestTraceID:
			return f.set16(&r.TraceID)
		case requestItems:
			message, err := f.message()
			if err != nil {
				return err
			}
			item, err := decodeItem(message)
			r.Items = append(r.Items, item)
			return err
		case requestNumber:
			return f.setNumber(&r.Number)
		}
		return nil
	})
	if err == nil && (r.Application == uuid.Nil || r.Sequence == uuid.Nil || r.ReceivedAt.IsZero()) {
		err = errIncomplete
	}
	return r, err
}

func decodeItem(b []byte) (it Item, err error) {
	var code, detail, pointer string
	var schema *SchemaDigest
	err = fields(b, func(f wireField) error {
		switch f.number {
		case itemOriginal:
			return f.setBytes(&it.Original)
		case itemID:
			return f.setText(&it.ID)
		case itemOccurredAt:
			return f.setMicros(&it.OccurredAt)
		case itemCode:
			return f.setText(&code)
		case itemDetail:
			return f.setText(&detail)
		case itemPointer:
			return f.setText(&pointer)
		case itemTruncated:
			return f.setBool(&it.Truncated)
		case itemFormat:
			return f.setFormat(&it.Format)
		case itemCount:
			return f.setCount(&it.Count)
		case itemSchema:
			return f.setSchema(&schema)
		}
		return nil
	})
	if code != "" {
		it.Refusal = &Refusal{Code: Code(code), Detail: detail, Pointer: pointer, Schema: schema}
	} else if err == nil && it.OccurredAt.IsZero() {
		err = errNoTime
	}
	return it, err
}
