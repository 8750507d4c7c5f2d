package ingest

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// attributeHeader begins the headers with the attributes of a CloudEvent in binary mode (HTTP binding, 3.1.3), as
// http.Header spells it.
const attributeHeader = "Ce-"

// isBinary tells whether a request is a CloudEvent in binary mode: any of the attributes that each must have will do,
// so that the others are told to be missing.
func isBinary(h http.Header) bool {
	return h["Ce-Specversion"] != nil || h["Ce-Id"] != nil || h["Ce-Source"] != nil || h["Ce-Type"] != nil
}

// notText returns the header of an attribute that is no UTF-8.
func notText(h http.Header) string {
	for name, values := range h {
		if strings.HasPrefix(name, attributeHeader) && !utf8.ValidString(unescaped(strings.Join(values, ","))) {
			return name
		}
	}
	return ""
}

// structuredBytes is what the JSON format of a CloudEvent in binary mode takes: of n bytes of data their Base64, and the
// attributes, which a server takes 32 KiB of and JSON writes in six times as many at most; as memory grows.
func structuredBytes(n int) int { return 2 * (base64.StdEncoding.EncodedLen(n) + 6*32<<10) }

// structured puts a CloudEvent that came in binary mode in its JSON format: what travels on, and what a Failure shows.
// Data that is no JSON becomes data_base64, so that all of it is kept; what is too large is not looked at.
func (w *worker) structured(sub *Submission) []byte {
	data := sub.Body
	tooLarge := len(data) > sub.Application.Policy.MaxEventBytes()
	json := len(data) > 0 && sub.form.json && (tooLarge || w.isJSON(data))
	w.body = appendStructured(w.body[:0], sub.header, data, json)
	return w.body
}

// appendStructured appends what the headers tell and the data, which is JSON or becomes Base64.
func appendStructured(b []byte, h http.Header, data []byte, isJSON bool) []byte {
	b = append(b, '{')
	member := func(name, value string) {
		if len(b) > 1 {
			b = append(b, ',')
		}
		key, _ := json.Marshal(name)   // text is always to be had as JSON
		text, _ := json.Marshal(value) // as is this
		b = append(append(append(b, key...), ':'), text...)
	}
	for _, name := range slices.Sorted(maps.Keys(h)) {
		attribute, ok := strings.CutPrefix(name, attributeHeader)
		if !ok {
			continue
		}
		if attribute = strings.ToLower(attribute); attribute == "data" || attribute == "data_base64" {
			attribute = strings.ToLower(name) // no attribute's name, so that the event is refused: its data is the body
		}
		member(attribute, unescaped(strings.Join(h[name], ",")))
	}
	if contentType := h.Get("Content-Type"); contentType != "" {
		member("datacontenttype", contentType)
	}
	switch {
	case len(data) == 0:
	case isJSON:
		b = append(append(b, `,"data":`...), data...)
	default:
		b = append(b, `,"data_base64":"`...)
		b = append(base64.StdEncoding.AppendEncode(b, data), '"')
	}
	return append(b, '}')
}

// unescaped undoes the quotes, which earlier versions had, and then the percent-encoding of an attribute (HTTP binding,
// 3.1.3.2). What is not well encoded was not encoded: some SDKs send attributes as they are.
func unescaped(value string) string {
	value = unquoted(value)
	if text, err := url.PathUnescape(value); err == nil {
		return text
	}
	return value
}

// unquoted returns what a quoted string holds (RFC 9110, section 5.6.4); any other text as it is.
func unquoted(value string) string {
	within, begins := strings.CutPrefix(value, `"`)
	within, ends := strings.CutSuffix(within, `"`)
	if !begins || !ends {
		return value
	}
	text := make([]byte, 0, len(within))
	for i := 0; i < len(within); i++ {
		switch {
		case within[i] == '"':
			return value
		case within[i] != '\\':
		case i+1 == len(within):
			return value
		default:
			i++
		}
		text = append(text, within[i])
	}
	return string(text)
}

// isJSON tells whether a text is one JSON value; what is wrong within is the event's fault, which is found later.
func (w *worker) isJSON(text []byte) bool {
	s := &w.scanner
	s.Rest = restOf(len(text))
	s.Reset(text)
	return s.Skim() == nil && !s.More()
}
