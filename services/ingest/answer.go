package ingest

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/services/internal/fault"
)

// encode answers 202 when an event was accepted; else 422, or 413 when size is all that is wrong, as a problem
// document that carries the same verdicts.
func encode(_ context.Context, w http.ResponseWriter, r *Receipt) error {
	body, status := make([]byte, 0, 64+80*len(r.Verdicts)), http.StatusAccepted
	if r.Strict {
		w.Header().Set("Preference-Applied", "handling=strict")
	}
	if r.Accepted > 0 {
		w.Header().Set("Content-Type", "application/json")
		body = append(body, '{')
	} else {
		problem := fault.ProblemOf(refused(r))
		problem.Header(w.Header())
		status = problem.Status
		head, err := json.Marshal(problem)
		if err != nil {
			return err
		}
		body = append(append(body, head[:len(head)-1]...), ',')
	}
	body = appendReceipt(body, r)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, err := w.Write(body)
	return err
}

// refused is the fault of a request of which nothing was accepted.
func refused(r *Receipt) error {
	first := r.Verdicts[0].Refusal
	for _, v := range r.Verdicts {
		if v.Refusal.Code != event.CodeTooLarge {
			return fault.New(fault.CodeRejected, "see events for what is wrong with each")
		}
	}
	return fault.New(fault.CodeEventTooLarge, first.Detail)
}

// appendReceipt appends the members of a receipt and its closing brace. Receipts are written by hand because most of
// them are the same few bytes around an id.
func appendReceipt(b []byte, r *Receipt) []byte {
	b = strconv.AppendInt(append(b, `"accepted":`...), int64(r.Accepted), 10)
	b = strconv.AppendInt(append(b, `,"rejected":`...), int64(r.Rejected), 10)
	b = append(b, `,"events":[`...)
	for i, v := range r.Verdicts {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '{')
		if v.ID != "" {
			b = append(appendString(append(b, `"id":`...), v.ID), ',')
		}
		if v.Refusal == nil {
			b = append(b, `"status":"accepted"}`...)
			continue
		}
		b = appendString(append(b, `"status":"rejected","code":`...), string(v.Refusal.Code))
		b = appendString(append(b, `,"detail":`...), v.Refusal.Detail)
		if v.Refusal.Pointer != "" || strings.HasPrefix(string(v.Refusal.Code), jsonCodes) { // "" is the whole event
			b = appendString(append(b, `,"pointer":`...), v.Refusal.Pointer)
		}
		b = append(b, '}')
	}
	return append(b, "]}\n"...)
}

// jsonCodes begins the codes of faults in JSON itself, which all have a place.
const jsonCodes = "json."

func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			quoted, _ := json.Marshal(s) // a string always has a JSON form
			return append(b, quoted...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}
