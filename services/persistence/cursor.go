package persistence

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/services/internal/fault"
)

// A cursor is opaque to clients: base64url of its form, its list, a digest of its question, and a place in the order of
// the list. So one that is given to another list or another question is refused, and not answered with a wrong page.

// listing is a list that is read by pages.
type listing byte

// The lists.
const (
	listEvents   listing = 'e'
	listSession  listing = 's' // the events of one session, beside what is known of it
	listExport   listing = 'x'
	listSessions listing = 'l'
	listFailures listing = 'f'
	listReplays  listing = 'r'
)

const (
	// cursorForm is the first byte of every cursor. The releases before wrote none: there it was the highest of a time in
	// microseconds, which is 0 or 255.
	cursorForm = 1
	// digestBytes are enough for what is mistaken. What is forged shows no more than a right cursor does: rights are looked
	// at with every page.
	digestBytes = 8
	// cursorHead is what stands before the place.
	cursorHead = 2 + digestBytes
	// positionBytes are a Position's: a time, and a sequence or an id.
	positionBytes = 8 + 16
)

var (
	errCursor        = fault.New(fault.CodeParameter, "cursor is not one that this release gives out: begin again without it")
	errOtherList     = fault.New(fault.CodeParameter, "cursor is of another list: it goes on where it was given out, and nowhere else")
	errOtherQuestion = fault.New(fault.CodeParameter, "cursor is of another question: give the filters and the order of the page before; only limit, select, format and progress may change")
)

// Position is a place in an order by time and sequence.
type Position struct {
	Time     time.Time
	Sequence event.Sequence
}

func (p Position) bytes() []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, positionBytes), uint64(p.Time.UnixMicro()))
	return append(b, p.Sequence[:]...)
}

func parsePosition(b []byte) (*Position, error) {
	if len(b) != positionBytes {
		return nil, errCursor
	}
	t, err := parsePlaceTime(b)
	return &Position{Time: t, Sequence: event.Sequence(b[8:])}, err
}

// parsePlaceTime reads the time that a place begins with, which PostgreSQL must be able to hold.
func parsePlaceTime(b []byte) (time.Time, error) {
	t := time.UnixMicro(int64(binary.BigEndian.Uint64(b))).UTC()
	if year := t.Year(); year < firstYear || year > lastYear {
		return t, errCursor
	}
	return t, nil
}

// sessionPosition is a place in the order of sessions.
type sessionPosition struct {
	first time.Time
	id    string
}

func (p sessionPosition) bytes() []byte {
	return append(binary.BigEndian.AppendUint64(nil, uint64(p.first.UnixMicro())), p.id...)
}

func parseSessionPosition(b []byte) (*sessionPosition, error) {
	if len(b) <= 8 {
		return nil, errCursor
	}
	first, err := parsePlaceTime(b)
	if err != nil {
		return nil, err
	}
	id, err := parseText("cursor", string(b[8:]))
	if err != nil {
		return nil, errCursor
	}
	return &sessionPosition{first, id}, nil
}

// digest is of all that decides which rows a list has, and in which order. How many of them a page has and what of them is
// shown does not; nor does, where no application is named, whose rows the sender may read, be it their own application's:
// who may read more by now, or less, goes on where they were, and a cursor tells nobody of it.
func (q *Query) digest() [digestBytes]byte {
	var named uuid.UUID
	if q.reference != "" {
		named = q.Application
	}
	properties := make([]string, len(q.Properties))
	for i, p := range q.Properties {
		properties[i] = fmt.Sprintf("%q %q %q", p.path, p.operator, p.value)
	}
	slices.Sort(properties)
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %t %q %d %d %q %t %t", named, q.ascending(),
		[]string{q.SessionID, q.Category, q.Name, q.Code, q.Stage, q.State}, q.From.UnixMicro(), q.To.UnixMicro(), properties, q.DryRun, q.dryGiven))
	return [digestBytes]byte(sum[:])
}

// cursors writes those of a question, each for a place.
func (q *Query) cursors() func(place []byte) string {
	digest := q.digest()
	head := append([]byte{cursorForm, byte(q.list)}, digest[:]...)
	return func(place []byte) string { return base64.RawURLEncoding.EncodeToString(slices.Concat(head, place)) }
}

// resume reads where a list goes on, once all else is known that is asked for.
func (q *Query) resume(l listing) error {
	q.list = l
	if q.cursor == "" {
		return nil
	}
	return fault.OfParameter("cursor", q.goOn(q.cursor))
}

// goOn reads a cursor of the question's own.
func (q *Query) goOn(cursor string) error {
	b, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	switch {
	case err != nil || len(b) < cursorHead || b[0] != cursorForm:
		return errCursor
	case listing(b[1]) != q.list:
		return errOtherList
	case [digestBytes]byte(b[2:]) != q.digest():
		return errOtherQuestion
	}
	place := b[cursorHead:]
	if q.list == listSessions && !q.typed() {
		q.AfterSession, err = parseSessionPosition(place)
	} else {
		q.After, err = parsePosition(place)
	}
	return err
}
