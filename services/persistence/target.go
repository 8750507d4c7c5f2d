package persistence

import "github.com/google/uuid"

// target is what an erasure is of: an application, or a session of any application. Both have a row that says how far
// it is, and tables from which it is erased by the same statements.
type target struct {
	application uuid.UUID
	session     string // "": the application
}

// table keeps the erasures of such targets.
func (t target) table() string {
	if t.session != "" {
		return "persistence.session_erasures"
	}
	return "persistence.erasures"
}

// row finds a target's erasure in it; arg is its $1.
func (t target) row() string {
	if t.session != "" {
		return "session = (SELECT sha256(salt || convert_to($1, 'UTF8')) FROM persistence.session_salt)"
	}
	return "application = $1"
}

// rows finds what belongs to a target in the tables of events, of repetitions and of Failures; arg is its $1.
func (t target) rows() string {
	if t.session != "" {
		return "session_id = $1"
	}
	return "application = $1"
}

func (t target) arg() any {
	if t.session != "" {
		return t.session
	}
	return [16]byte(t.application)
}

// String names what is erased where that may be told: a session's id is forgotten with it.
func (t target) String() string {
	if t.session != "" {
		return "a session"
	}
	return "application " + t.application.String()
}
