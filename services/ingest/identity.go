package ingest

import (
	"strconv"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/event"
)

// sighting is the first event of an id in a request.
type sighting struct {
	at      int               // its index
	content event.Fingerprint // when read
	read    bool
}

// conflict refuses an id that this request has used with other content. The same content is one event sent twice:
// accepted again, and settled by the store.
func (w *worker) conflict(id string, i int) *event.Refusal {
	if w.seen == nil {
		w.seen = map[string]sighting{}
	}
	first, ok := w.seen[id]
	if !ok {
		w.seen[id] = sighting{at: i}
		return nil
	}
	if !first.read { // once, however often the id comes: the event may be large, and those that repeat its id many
		first.content, first.read = w.fingerprint(first.at), true
		w.seen[id] = first
	}
	if first.content == w.fingerprint(i) {
		return nil
	}
	return &event.Refusal{
		Code:    event.CodeConflict,
		Detail:  "event " + strconv.Itoa(first.at) + " of this request has the same id and other content",
		Pointer: "/id",
	}
}

// fingerprint scans an event of this request once more: ids rarely repeat within one.
func (w *worker) fingerprint(i int) (f event.Fingerprint) {
	w.scanner.Reset(w.request.Items[i].Original)
	doc, _, _, _ := w.scanner.Scan() // it was scanned without a fault before
	e, _ := w.request.Items[i].Format.Decode(doc, true)
	f, w.scratch = e.Fingerprint(w.scratch)
	return f
}

// serverID is the id of an event that came without one: stable under the request's Idempotency-Key when it has one
// (a UUIDv5 of the key and the index, in the application's namespace; event.PublicID of that where it is public), else the event's
// sequence, a UUIDv7.
func serverID(sub Submission, first event.Sequence, i int) string {
	if sub.IdempotencyKey == "" {
		return event.Nth(first, i).String()
	}
	id := uuid.NewSHA1(sub.Application.UID, []byte(sub.IdempotencyKey+"\x00"+strconv.Itoa(i))).String()
	if sub.Credential == "" {
		return event.PublicID(id)
	}
	return id
}
