package event

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/google/uuid"
)

// Fingerprint is a 128-bit digest of an event's content: session_id, category, name, timestamp and data as the client
// itself sent them, as JSON values. Two events of one id with equal fingerprints are one event sent twice. It is kept
// in the ledger for as long as the event, so its definition cannot change without a new ledger column.
type Fingerprint = uuid.UUID

// Fingerprint computes the digest; scratch is grown and returned for the next call.
func (e *Event) Fingerprint(scratch []byte) (Fingerprint, []byte) {
	b := scratch[:0]
	for _, field := range [...]string{e.SessionID, e.Category, e.Name, e.timestamp} {
		b = append(binary.AppendUvarint(b, uint64(len(field))), field...)
	}
	if e.Data != nil {
		b = e.data.AppendCanonical(b)
	}
	sum := sha256.Sum256(b)
	return Fingerprint(sum[:16]), b
}
