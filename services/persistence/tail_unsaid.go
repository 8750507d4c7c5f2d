package persistence

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/theeye-dev/theeye/api/event"
)

// erased says that something was erased, as the log of erasures does: a session by its salted hash.
type erased struct {
	member string
	salt   string // of the hash; "": it is an application
	cutOff event.Sequence
	at     time.Time // when it was heard of
}

// erasedOf reads an entry of the tail that says so.
func erasedOf(entry redis.XMessage, now time.Time) (erased, bool) {
	member, _ := entry.Values[tailErased].(string)
	text, _ := entry.Values[tailCutOff].(string)
	cutOff, err := uuid.Parse(text)
	if member == "" || err != nil {
		return erased{}, false
	}
	encoded, _ := entry.Values[tailSalt].(string)
	salt, err := hex.DecodeString(encoded)
	return erased{member: member, salt: string(salt), cutOff: cutOff, at: now}, err == nil
}

// values are the fields of such an entry.
func (e *erased) values() []any {
	values := []any{tailErased, e.member, tailCutOff, e.cutOff.String()}
	if e.salt != "" {
		values = append(values, tailSalt, hex.EncodeToString([]byte(e.salt)))
	}
	return values
}

// unsaid is what was erased, and is not to be told any more.
type unsaid struct {
	erased map[string]erased // by their members
	salts  map[string]bool   // of sessions among them: one, unless the database is another one now
}

func newUnsaid() unsaid { return unsaid{erased: map[string]erased{}, salts: map[string]bool{}} }

func (u unsaid) none() bool { return len(u.erased) == 0 }

// add keeps the later of two cut-offs.
func (u unsaid) add(e erased) {
	if known, ok := u.erased[e.member]; ok && bytes.Compare(known.cutOff[:], e.cutOff[:]) > 0 {
		e.cutOff = known.cutOff
	}
	u.erased[e.member] = e
	if e.salt != "" {
		u.salts[e.salt] = true
	}
}

// forget drops what was heard of before a time: nothing from before it is on its way.
func (u unsaid) forget(before time.Time) {
	for member, e := range u.erased {
		if e.at.Before(before) {
			delete(u.erased, member)
		}
	}
	if u.none() {
		clear(u.salts)
	}
}

// covers tells whether a message is of what was received before its application or its session was erased.
func (u unsaid) covers(m *message) bool {
	if u.none() || m.told == nil {
		return false
	}
	if e, ok := u.erased[erasedApplication+m.Application.String()]; ok && e.covers(m) {
		return true
	}
	if m.SessionID == "" {
		return false
	}
	for salt := range u.salts {
		if e, ok := u.erased[erasedSession+hex.EncodeToString(saltedHash(salt, m.SessionID))]; ok && e.covers(m) {
			return true
		}
	}
	return false
}

// saltedHash is what the database makes of a session's id.
func saltedHash(salt, session string) []byte {
	hash := sha256.Sum256([]byte(salt + session))
	return hash[:]
}

// covers tells whether a message that is of this was received before. It is read again for it: seldom is one.
func (e *erased) covers(m *message) bool {
	var told struct {
		Event   *struct{ Sequence event.Sequence }
		Failure *struct{ ID event.Sequence }
	}
	_ = json.Unmarshal(m.told, &told) // what cannot be read is covered
	var sequence event.Sequence
	switch {
	case told.Event != nil:
		sequence = told.Event.Sequence
	case told.Failure != nil:
		sequence = told.Failure.ID
	}
	return bytes.Compare(sequence[:], e.cutOff[:]) <= 0
}
