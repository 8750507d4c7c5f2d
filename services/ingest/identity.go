package ingest

import (
	"strconv"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/event"
)

// conflict refuses an id that this request has used with other content. The same content is one event sent twice:
// accepted again, and settled by the store.
func (w *worker) conflict(id string, i int) *event.Refusal {
	if w.seen == nil {
		w.seen = map[string]int{}
	}
	first, ok := w.seen[id]
	if !ok {
		w.seen[id] = i
		return nil
	}
	if w.fingerprint(first) == w.fingerprint(i) {
		return nil
	}
	return &event.Refusal{
		Code:    event.CodeConflict,
		Detail:  "event " + strconv.Itoa(first) + " of this request has the same id and other content",
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
// (a UUIDv5 of the key and the index, in the application's namespace), else the event's sequence, a UUIDv7.
func serverID(sub Submission, first event.Sequence, i int) string {
	if sub.IdempotencyKey == "" {
		return event.Nth(first, i).String()
	}
	return uuid.NewSHA1(sub.Application.UID, []byte(sub.IdempotencyKey+"\x00"+strconv.Itoa(i))).String()
}
