package persistence

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"

	"github.com/theeye-dev/theeye/services/internal/fault"
)

// A place tells how much others send: its line counts the outcomes of all applications in its entry, and its number all
// entries of the millisecond. So clients get it as one block of a cipher: who has no key can neither read an id, nor compare
// two, nor make one and see by the answer whether there is such a place.

const (
	// sealLabel keeps the key apart from whatever else is made of the salt.
	sealLabel = "theeye: ids of the live tail"
	// sealKeyBytes is the longest key of AES.
	sealKeyBytes = 32
	// sealedMilliseconds bounds those of places: until the year 10889.
	sealedMilliseconds = 1 << 48
	// sealedNumbers bounds the entries of one millisecond: Redis stays in it while its clock goes back, and counts.
	sealedNumbers = 1 << 32
	// sealedLines bounds the lines of an entry, of which tailEntryBytes have far fewer.
	sealedLines = 1 << 20
	// sealedRest are the bits of a block that these leave beside the milliseconds. With those beside the line 28 bits are 0, in
	// one of 268 million forged ids by chance: it is a place that never was, or one of which nobody learns anything.
	sealedRest = 16
)

// seal makes ids of places, and places of ids.
type seal struct{ block cipher.Block }

func newSeal(salt []byte) (*seal, error) {
	key, err := hkdf.Key(sha256.New, salt, nil, sealLabel, sealKeyBytes)
	if err != nil {
		return nil, fmt.Errorf("derive key of ids: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("make cipher of ids: %w", err)
	}
	return &seal{block}, nil
}

// id is what clients are given for a place; "": it is beyond the bounds, and they go on behind the one before.
func (s *seal) id(p place) string {
	if p.ms >= sealedMilliseconds || p.n >= sealedNumbers || p.line >= sealedLines {
		return ""
	}
	b := binary.BigEndian.AppendUint64(make([]byte, 0, aes.BlockSize), p.ms<<sealedRest)
	b = binary.BigEndian.AppendUint64(b, p.n<<32|uint64(p.line))
	s.block.Encrypt(b, b)
	return base64.RawURLEncoding.EncodeToString(b)
}

// open reads what id wrote; of what is forged, or of another installation, nothing.
func (s *seal) open(id string) (p place, ok bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(id)
	if err != nil || len(b) != aes.BlockSize || len(id) != base64.RawURLEncoding.EncodedLen(aes.BlockSize) { // ends of lines are read over
		return place{}, false
	}
	s.block.Decrypt(b, b)
	first, second := binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])
	line := second % sealedNumbers
	if first%(1<<sealedRest) != 0 || line >= sealedLines {
		return place{}, false
	}
	return place{ms: first >> sealedRest, n: second >> 32, line: int(line)}, true
}

// resumed is where a client goes on, and the seal of the ids that it gets.
type resumed struct {
	seal  *seal
	after *place // nil: it is new
}

// resumed reads the id that a client comes back with; "": it has none. One that does not open may be of a salt that was not
// there yet: a database that was made anew takes the one that the log of erasures has.
func (r *Reader) resumed(ctx context.Context, id string) (resumed, error) {
	s, err := r.seal.Load(), error(nil)
	if s == nil {
		s, err = r.readSeal(ctx)
	}
	if err != nil || id == "" {
		return resumed{seal: s}, err
	}
	at, ok := s.open(id)
	if !ok {
		if s, err = r.readSeal(ctx); err != nil {
			return resumed{}, err
		}
		at, ok = s.open(id)
	}
	if !ok {
		return resumed{}, fault.New(fault.CodeParameter, "Last-Event-ID is not an id that this service gave out")
	}
	return resumed{s, &at}, nil
}

// readSeal makes the seal of the salt of the hashes, which all replicas share, and which restarts and backups keep. Once it is
// known, who begins to listen needs no database.
func (r *Reader) readSeal(ctx context.Context) (*seal, error) {
	salt, err := r.Store.salt(ctx)
	if err != nil {
		return nil, err
	}
	s, err := newSeal(salt)
	if err == nil {
		r.seal.Store(s)
	}
	return s, err
}
