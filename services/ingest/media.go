package ingest

import (
	"mime"
	"net/http"
	"strings"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/services/internal/fault"
)

// form is how the events of a body are written.
type form struct {
	lines  bool         // every line is an event (NDJSON); else the body is one JSON value
	format event.Format // of every event
	binary bool         // the body is a CloudEvent's data, and its attributes are headers
	json   bool         // of a binary one: its data says that it is JSON
}

// formOf tells the form of a body by its headers. No Content-Type at all is taken for JSON, and of two none.
func formOf(h http.Header) (form, error) {
	if len(h["Content-Type"]) > 1 {
		return form{}, fault.New(fault.CodeMediaType, "there is more than one Content-Type header")
	}
	contentType := h.Get("Content-Type")
	if isBinary(h) {
		media, _, err := mime.ParseMediaType(contentType)
		if err == nil && strings.HasPrefix(media, "application/cloudevents") {
			return mediaOf(contentType) // both at once: the body says all (HTTP binding, 3.0)
		}
		json := contentType == "" || err == nil && (strings.HasSuffix(media, "/json") || strings.HasSuffix(media, "+json"))
		return form{format: event.CloudEvent, binary: true, json: json}, nil
	}
	if contentType == "" || contentType == "application/json" {
		return form{}, nil
	}
	return mediaOf(contentType)
}

func mediaOf(contentType string) (form, error) {
	media, params, err := mime.ParseMediaType(contentType)
	if charset := params["charset"]; err == nil && (charset == "" || strings.EqualFold(charset, "utf-8")) {
		switch media {
		case "application/json", "text/plain": // text is all that navigator.sendBeacon sends without asking first
			return form{}, nil
		case "application/cloudevents+json", "application/cloudevents-batch+json":
			return form{format: event.CloudEvent}, nil
		case "application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonl",
			"application/jsonlines", "application/x-jsonlines": // none is registered
			return form{lines: true}, nil
		}
	}
	return form{}, fault.New(fault.CodeMediaType, "Content-Type "+contentType+
		" is not supported; send application/json, application/cloudevents+json, application/x-ndjson or text/plain in UTF-8")
}
