package persistence

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/api/event/jsonb"
	"github.com/theeye-dev/theeye/services/internal/stream"
)

// Stage tells which service found a Failure.
type Stage string

// The stages.
const (
	StageIngest      Stage = "ingest"
	StagePersistence Stage = "persistence"
)

// record is one item of a stream entry, ready to be written: an event, or with a refusal a Failure.
type record struct {
	application uuid.UUID // uuid.Nil when even that could not be read
	credential  string
	receivedAt  time.Time
	sequence    event.Sequence
	traceID     [16]byte
	number      uint64 // of a counted item among its replica's; 0 when it was not numbered
	count       int64  // of a counted item: how many events it stands for; else 0

	id          string
	sessionID   string
	category    string
	name        string
	data        []byte // nil when absent
	attributes  []byte // nil for all but CloudEvents
	occurredAt  time.Time
	clientTime  *time.Time // what the client sent instead of occurredAt; nil where that was not corrected
	fingerprint event.Fingerprint

	refusal   *event.Refusal
	stage     Stage
	original  []byte
	format    event.Format // of original
	truncated bool

	outcome Outcome // what became of it, once its transaction is committed; of a redelivery what became of it then
}

// events is how many events a record stands for.
func (r *record) events() int64 { return max(r.count, 1) }

// fail turns a record into a Failure of this stage.
func (r *record) fail(code event.Code, detail, pointer string) {
	r.refusal = &event.Refusal{Code: code, Detail: detail, Pointer: pointer}
	r.stage = StagePersistence
}

// reader decodes stream entries; its memory is reused.
type reader struct {
	scanner jsonb.Scanner
	scratch []byte
}

// read decodes entries into records. What cannot be decoded becomes a Failure with its bytes: nothing is dropped.
func (d *reader) read(entries []stream.Entry) []record {
	var records []record
	for _, entry := range entries {
		requests, err := event.DecodeBatch(entry.Batch)
		if err != nil || entry.Batch == nil {
			records = append(records, undecodable(entry, err))
			continue
		}
		for i := range requests {
			records = d.request(records, &requests[i])
		}
	}
	return records
}

func (d *reader) request(records []record, r *event.Request) []record {
	number := r.Number
	for i := range r.Items {
		item := &r.Items[i]
		rec := record{
			application: r.Application, credential: storable(r.Credential), receivedAt: r.ReceivedAt, traceID: r.TraceID,
			sequence: event.Nth(r.Sequence, i), id: item.ID, occurredAt: item.OccurredAt,
			refusal: item.Refusal, stage: StageIngest, original: item.Original, format: item.Format, truncated: item.Truncated,
		}
		if item.Refusal != nil && item.Count > 0 {
			rec.count, rec.number = item.Count, number
			if number > 0 {
				number++
			}
		} else {
			d.event(&rec)
		}
		records = append(records, rec)
	}
	return records
}

// event decodes the original bytes. Unknown fields are ignored: a newer ingest may know them.
func (d *reader) event(rec *record) {
	d.scanner.Reset(rec.original)
	doc, _, fault, err := d.scanner.Scan()
	if err != nil || fault != nil {
		rec.sessionID = mentioned(rec.original)
		if rec.refusal == nil {
			rec.fail(event.CodeUndecodable, "the accepted event cannot be read back", "")
		}
		return
	}
	e, refusal := rec.format.Decode(doc, false)
	if rec.credential == "" {
		e.ID = event.PublicID(e.ID)
	}
	switch {
	case e.ID != "":
		rec.id = e.ID
	case rec.id == "":
		rec.id = rec.sequence.String()
	}
	if rec.refusal == nil && refusal != nil {
		rec.fail(event.CodeUndecodable, refusal.Detail, refusal.Pointer)
	}
	if rec.refusal != nil {
		rec.sessionID = short(e.SessionID)
		if category, name := short(e.Category), short(e.Name); category != "" && name != "" { // half a type is none
			rec.category, rec.name = category, name
		}
		return
	}
	rec.sessionID, rec.category, rec.name = e.SessionID, e.Category, e.Name
	rec.data, rec.attributes = e.Data, e.Attributes
	if !e.Timestamp.IsZero() && !e.Timestamp.Equal(rec.occurredAt) {
		rec.clientTime = &e.Timestamp
	}
	rec.fingerprint, d.scratch = e.Fingerprint(d.scratch)
}

// mentioned returns the session id in an event that cannot be read, so that it is erased with its session; "" for none. The
// outermost counts: data may speak of sessions, too.
func mentioned(original []byte) (id string) {
	depth, outermost := 0, math.MaxInt
	for rest := original; len(rest) > 0; {
		switch rest[0] {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case '"':
			var name, value string
			name, rest = quoted(rest)
			if depth >= outermost || name != "session_id" && name != "sessionid" {
				continue
			}
			after, isMember := bytes.CutPrefix(bytes.TrimLeft(rest, jsonSpace), []byte(":"))
			if after = bytes.TrimLeft(after, jsonSpace); isMember && len(after) > 0 && after[0] == '"' {
				value, rest = quoted(after)
				id, outermost = value, depth
			}
			continue
		}
		rest = rest[1:]
	}
	return short(storable(id))
}

const jsonSpace = " \t\r\n"

// quoted splits a text behind the string that it begins with; that is "" where it cannot be read.
func quoted(text []byte) (value string, rest []byte) {
	end := 1
	for end < len(text) && text[end] != '"' {
		if text[end] == '\\' {
			end++
		}
		end++
	}
	if end >= len(text) {
		return "", nil
	}
	_ = json.Unmarshal(text[:end+1], &value) // what is no string names nothing
	return value, text[end+1:]
}

// short keeps what may be a session, a category or a name; nothing longer is one, and indexes take no more.
func short(text string) string {
	if utf8.RuneCountInString(text) > event.MaxNameChars {
		return ""
	}
	return text
}

// streamNamespace makes sequences for entries that tell none, so that a redelivery is recognised.
var streamNamespace = uuid.MustParse("4f0c9c3e-4c0f-5b1e-9f57-6a1d2b8f3e70")

func undecodable(entry stream.Entry, err error) record {
	detail := "the stream entry " + entry.ID + " of " + entry.Stream + " has no encoding that this release knows"
	if err != nil {
		detail = "the stream entry " + entry.ID + " of " + entry.Stream + " cannot be read: " + err.Error()
	}
	r := record{
		sequence: uuid.NewSHA1(streamNamespace, []byte(entry.Stream+" "+entry.ID)), receivedAt: entry.Time(),
		original: entry.Batch,
	}
	r.fail(event.CodeUndecodable, detail, "")
	return r
}

// storable makes a text fit for a text column: PostgreSQL takes no invalid UTF-8 and no U+0000.
func storable(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// compare orders records by key, the earliest first: all writers take locks in one order.
func compare(a, b *record) int {
	if c := bytes.Compare(a.application[:], b.application[:]); c != 0 {
		return c
	}
	if c := strings.Compare(a.id, b.id); c != 0 {
		return c
	}
	return bytes.Compare(a.sequence[:], b.sequence[:])
}
