package persistence

import (
	"fmt"
	"maps"
	"slices"
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
	ID          string // of an event
	SessionID   string
	Application uuid.UUID
	// Among are the applications that the sender may read, in the order of their bytes, where the question names none; nil:
	// all, or Application.
	Among      []uuid.UUID
	Category   string
	Name       string
	Code       string // of failures, as Stage and State
	Stage      string
	State      string
	DryRun     bool      // of a replay
	From, To   time.Time // From is included, To is not
	Properties []Property
	Order      Order
	Select     []string // the fields of an event that are shown; nil for all
	Format     string   // of an export
	Progress   bool     // an export tells what it has looked into, and its end
	Limit      int
	After      *Position // where the page before ended

	AfterSession *sessionPosition // the same of sessions
	Stats        StatsQuery       // of counts

	reference string  // the application, as it was named
	cursor    string  // where the page before ended, as it was given
	asker     string  // who asks: of which kind, and their name
	dryGiven  bool    // DryRun was: else a list has both
	list      listing // whose cursors are read and written
	each      bool    // every event has a cursor
	look      int     // how many rows are looked into in this step; 0: as many as may be
}

// within narrows a question to a scope. Of nothing it asks for nothing, which is not all.
func (q *Query) within(s Scope) {
	if q.Application, q.Among = s.Application, s.Among; s.none() {
		q.Among = []uuid.UUID{}
	}
}

// scope is what a question was narrowed to.
func (q *Query) scope() Scope {
	return Scope{All: q.Application == uuid.Nil && q.Among == nil, Application: q.Application, Among: q.Among}
}

// partial tells whether an answer may hold less than was asked for.
func (q *Query) partial() bool { return q.Among != nil }

// Order is that of events. The zero value is a question's own: a session as it reads, and all else newest first.
type Order string

// The orders, both by (occurred_at, sequence).
const (
	Newest Order = "newest"
	Oldest Order = "oldest"
)

// ascending tells whether the earliest comes first.
func (q *Query) ascending() bool {
	if q.Order == "" {
		return q.SessionID != ""
	}
	return q.Order == Oldest
}

// typed tells whether a type is asked for, or a part of one.
func (q *Query) typed() bool { return q.Category != "" || q.Name != "" }

// parseQuery reads the parameters of a request.
func parseQuery(given map[string]string) (q Query, err error) {
	q.Limit = defaultLimit
	for _, name := range slices.Sorted(maps.Keys(given)) { // one question, one statement
		value, err := parseText(fmt.Sprintf("parameter %q", name), given[name])
		if err == nil {
			err = q.set(name, value)
		}
		if err != nil {
			return q, fault.OfParameter(name, err)
		}
	}
	if !q.From.IsZero() && !q.To.IsZero() && !q.From.Before(q.To) {
		return q, fault.OfParameter("from", fault.New(fault.CodeParameter, "from must be before to"))
	}
	return q, nil
}

func (q *Query) set(name, value string) (err error) {
	switch name {
	case "session_id":
		q.SessionID = value
	case "application":
		q.reference = value
	case "category":
		q.Category = value
	case "name":
		q.Name = value
	case "code":
		q.Code = value
	case "stage":
		q.Stage, err = oneOf(name, value, string(StageIngest), string(StagePersistence))
	case "state":
		q.State = value // each list has its own
	case "dry_run":
		value, err = oneOf(name, value, "true", "false")
		q.DryRun, q.dryGiven = value == "true", true
	case "from":
		q.From, err = parseTime(name, value)
	case "to":
		q.To, err = parseTime(name, value)
	case "cursor":
		q.cursor = value
	case "order":
		if q.Order = Order(value); q.Order != Newest && q.Order != Oldest {
			err = fault.New(fault.CodeParameter, "order must be newest or oldest")
		}
	case "select":
		q.Select, err = parseSelect(value)
	case "limit":
		if q.Limit, err = strconv.Atoi(value); err != nil || q.Limit < 1 || q.Limit > maxLimit {
			return fault.New(fault.CodeParameter, fmt.Sprintf("limit must be a number from 1 to %d", maxLimit))
		}
	case "format":
		q.Format = value
	case "progress":
		value, err = oneOf(name, value, "true", "false")
		q.Progress = value == "true"
	case "bucket", "by", "outcome":
		err = q.Stats.set(name, value)
	default:
		return q.setProperty(name, value)
	}
	return err
}

func (q *Query) setProperty(name, value string) error {
	if !strings.HasPrefix(name, propertyPrefix) {
		return nil
	}
	if len(q.Properties) == maxProperties {
		return fault.New(fault.CodeParameter, fmt.Sprintf("a question may have %d conditions on data", maxProperties))
	}
	property, err := parseProperty(name, value)
	q.Properties = append(q.Properties, property)
	return err
}

// checkState refuses a state that nothing in a list is in.
func (q *Query) checkState(known ...string) error {
	if q.State == "" {
		return nil
	}
	_, err := oneOf("state", q.State, known...)
	return fault.OfParameter("state", err)
}

// oneOf refuses what is none of the known values.
func oneOf(name, value string, known ...string) (string, error) {
	if !slices.Contains(known, value) {
		return "", fault.New(fault.CodeParameter, name+" must be one of "+strings.Join(known, ", "))
	}
	return value, nil
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

// applications adds the condition on whose rows are read, where not all are.
func (q *Query) applications(c *conditions, column string) { q.scope().narrow(c, column) }

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
