package ingest_test

import "testing"

// texts are what navigator.sendBeacon sends of a string, and what text may not be.
func texts() map[string]contract {
	text := func(media, body string, verdicts ...string) contract {
		return contract{header: []string{"Content-Type", media}, body: body, status: 202, verdicts: verdicts, appended: verdicts}
	}
	refused := func(media, body string, status int, code, detail string) contract {
		return contract{header: []string{"Content-Type", media}, body: body, status: status, code: code, detail: detail}
	}
	const beacon = "text/plain;charset=UTF-8"
	packed := text(beacon, gz(good), "accepted")
	packed.header = append(packed.header, "Content-Encoding", "gzip")
	return map[string]contract{
		"one":           text(beacon, good, "accepted"),
		"array":         text(beacon, "["+good+","+unknown+"]", "accepted", "field.unknown/colour"),
		"no charset":    text("text/plain", good, "accepted"),
		"compressed":    packed,
		"Latin-1":       refused("text/plain; charset=ISO-8859-1", good, 415, "request.media_type", "UTF-8"),
		"lines":         refused(beacon, good+"\n"+good, 400, "request.malformed", "line 2, column 1"),
		"other text":    refused(beacon, "hello", 400, "request.malformed", "line 1, column 1"),
		"nothing":       refused(beacon, "", 400, "request.no_events", ""),
		"text/html":     refused("text/html", good, 415, "request.media_type", "text/plain"),
		"two types":     {header: []string{"Content-Type", "text/plain", "Content-Type", "application/json"}, body: good, status: 415, code: "request.media_type", detail: "more than one"},
		"two alike":     {header: []string{"Content-Type", "text/plain", "Content-Type", "text/plain"}, body: good, status: 415, code: "request.media_type", detail: "more than one"},
		"text/plain; x": refused("text/plain; x", good, 415, "request.media_type", ""),
	}
}

func TestTexts(t *testing.T) {
	t.Parallel()
	newDoor(t).keeps(t, texts())
}
