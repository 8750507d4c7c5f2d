package ingest

import (
	"mime"
	"net/http"
	"strings"

	"github.com/theeye-dev/theeye/services/internal/fault"
)

// linesOf tells by Content-Type whether every line of a body is an event (NDJSON); else it is one JSON value. No
// Content-Type at all is taken for JSON.
func linesOf(h http.Header) (lines bool, err error) {
	contentType := h.Get("Content-Type")
	if contentType == "" || contentType == "application/json" {
		return false, nil
	}
	media, params, err := mime.ParseMediaType(contentType)
	if charset := params["charset"]; err == nil && (charset == "" || strings.EqualFold(charset, "utf-8")) {
		switch media {
		case "application/json", "text/plain": // text is all that navigator.sendBeacon sends without asking first
			return false, nil
		case "application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonl",
			"application/jsonlines", "application/x-jsonlines": // none is registered
			return true, nil
		}
	}
	return false, fault.New(fault.CodeMediaType,
		"Content-Type "+contentType+" is not supported; send application/json, application/x-ndjson or text/plain in UTF-8")
}
