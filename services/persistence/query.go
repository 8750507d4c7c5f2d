package persistence

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/services/internal/fault"
)

const (
	defaultLimit = 100
	maxLimit     = 1000
)

// Query says which events or failures are asked for. The zero value of a field asks for all.
type Query struct {
	SessionID   string
	Application uuid.UUID
	Category    string
	Name        string
	Code        string    // of failures
	From, To    time.Time // From is included, To is not
	Limit       int
	After       *Position // where the page before ended
}

// Position is a place in an order by time and sequence.
type Position struct {
	Time     time.Time
	Sequence event.Sequence
}

const positionBytes = 8 + 16

// String writes an opaque cursor.
func (p Position) String() string {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, positionBytes), uint64(p.Time.UnixMicro()))
	return base64.RawURLEncoding.EncodeToString(append(b, p.Sequence[:]...))
}

func parsePosition(text string) (*Position, error) {
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(b) != positionBytes {
		return nil, fault.New(fault.CodeParameter, "cursor is not one that this service gave out")
	}
	p := &Position{Time: time.UnixMicro(int64(binary.BigEndian.Uint64(b))).UTC(), Sequence: event.Sequence(b[8:])}
	if year := p.Time.Year(); year < 1 || year > 9999 {
		return nil, fault.New(fault.CodeParameter, "cursor is not one that this service gave out")
	}
	return p, nil
}

// parseQuery reads the parameters of a request, and the application they name.
func parseQuery(given map[string]string) (q Query, application string, err error) {
	q.Limit = defaultLimit
	for name, value := range given {
		value, err := parseText(fmt.Sprintf("parameter %q", name), value)
		if err != nil {
			return q, "", err
		}
		if err := q.set(name, value, &application); err != nil {
			return q, "", err
		}
	}
	if !q.From.IsZero() && !q.To.IsZero() && !q.From.Before(q.To) {
		return q, "", fault.New(fault.CodeParameter, "from must be before to")
	}
	return q, application, nil
}

func (q *Query) set(name, value string, application *string) (err error) {
	switch name {
	case "session_id":
		q.SessionID = value
	case "application":
		*application = value
	case "category":
		q.Category = value
	case "name":
		q.Name = value
	case "code":
		q.Code = value
	case "from":
		q.From, err = parseTime(name, value)
	case "to":
		q.To, err = parseTime(name, value)
	case "cursor":
		q.After, err = parsePosition(value)
	case "limit":
		if q.Limit, err = strconv.Atoi(value); err != nil || q.Limit < 1 || q.Limit > maxLimit {
			return fault.New(fault.CodeParameter, fmt.Sprintf("limit must be a number from 1 to %d", maxLimit))
		}
	}
	return err
}

// parseText refuses what no column can hold, and what is empty: a script whose variable is unset must not read all.
func parseText(what, value string) (string, error) {
	if value == "" {
		return "", fault.New(fault.CodeParameter, what+" is empty")
	}
	if strings.ContainsRune(value, 0) || !utf8.ValidString(value) {
		return "", fault.New(fault.CodeParameter, what+" is not text: it has a NUL or is no UTF-8")
	}
	return value, nil
}

func parseTime(name, value string) (time.Time, error) {
	t, err := event.ParseTimestamp(value)
	if err != nil {
		return t, fault.New(fault.CodeParameter, name+": "+err.Error()+
			"; in a URL a + must be written %2B")
	}
	return t, nil
}

// conditions builds a WHERE clause.
type conditions struct {
	clauses []string
	args    []any
}

// add appends a clause whose %s are the numbers of the arguments.
func (c *conditions) add(format string, args ...any) {
	places := make([]any, len(args))
	for i, a := range args {
		c.args = append(c.args, a)
		places[i] = "$" + strconv.Itoa(len(c.args))
	}
	c.clauses = append(c.clauses, fmt.Sprintf(format, places...))
}

func (c *conditions) String() string {
	if len(c.clauses) == 0 {
		return "true"
	}
	return strings.Join(c.clauses, " AND ")
}

// types adds the conditions on an event's type.
func (q *Query) types(c *conditions) {
	if q.Category != "" {
		c.add("category = %s", q.Category)
	}
	if q.Name != "" {
		c.add("name = %s", q.Name)
	}
}

// common adds what events and failures share; column is the time they are ordered by.
func (q *Query) common(c *conditions, column string, descending bool) {
	if !q.From.IsZero() {
		c.add(column+" >= %s", q.From)
	}
	if !q.To.IsZero() {
		c.add(column+" < %s", q.To)
	}
	if q.After == nil {
		return
	}
	sign := ">"
	if descending {
		sign = "<"
	}
	c.add("("+column+", sequence) "+sign+" (%s, %s)", q.After.Time, q.After.Sequence)
	c.add(column+" "+sign+"= %s", q.After.Time) // implied, but this is what partitions are pruned by
}
