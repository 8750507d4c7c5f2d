package ingest_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/api/registry"
)

const cloudEvent = `{"specversion":"1.0","id":"1","source":"/s","type":"page.view","sessionid":"s","data":{"a":1}}`

// cloudEvents are CloudEvents in structured and batch mode.
func cloudEvents() map[string]contract {
	of := func(media, body string, c contract) contract {
		c.header, c.body = []string{"Content-Type", media}, body
		return c
	}
	const single, batch = "application/cloudevents+json", "application/cloudevents-batch+json"
	other := strings.Replace(cloudEvent, `"id":"1"`, `"id":"2"`, 1)
	changed := strings.Replace(cloudEvent, `"a":1`, `"a":2`, 1)
	old := strings.Replace(other, "1.0", "0.3", 1)
	return map[string]contract{
		"structured":        of(single, cloudEvent, one("")),
		"with a charset":    of(single+"; charset=UTF-8", cloudEvent, one("")),
		"batch":             of(batch, "["+cloudEvent+","+other+"]", contract{status: 202, verdicts: accepted(2), appended: accepted(2)}),
		"one of two":        of(batch, "["+cloudEvent+","+old+"]", contract{status: 202, verdicts: []string{"accepted", "cloudevent.invalid/specversion"}, appended: []string{"accepted", "cloudevent.invalid/specversion"}}),
		"same id and other": of(batch, "["+cloudEvent+","+changed+"]", contract{status: 202, verdicts: []string{"accepted", "id.conflict/id"}, appended: []string{"accepted", "id.conflict/id"}}),
		"no session":        of(single, strings.Replace(cloudEvent, "sessionid", "session", 1), refusal("", "field.missing/sessionid")),
		"a native event":    of(single, good, refusal("", "cloudevent.invalid/session_id")),
		"data of an array":  of(single, strings.Replace(cloudEvent, `{"a":1}`, `[1]`, 1), refusal("", "field.type/data")),
		"empty batch":       of(batch, "[]", contract{status: 400, code: "request.no_events"}),
		"another format":    of("application/cloudevents+avro", cloudEvent, contract{status: 415, code: "request.media_type"}),
		"Latin-1":           of(single+"; charset=latin1", cloudEvent, contract{status: 415, code: "request.media_type"}),
	}
}

func TestCloudEvents(t *testing.T) {
	t.Parallel()
	newDoor(t).keeps(t, cloudEvents())
}

// TestBinaryCloudEvents are turned into structured ones, which is what travels on and what a refused one leaves.
func TestBinaryCloudEvents(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	const json = "application/json"
	for name, c := range map[string]struct {
		media, body string
		header      []string
		status      int
		verdicts    []string
		original    string // "" where nothing is appended
	}{
		"json":         {json, `{"a":1}`, nil, 202, []string{"accepted"}, `"datacontenttype":"application/json","data":{"a":1}}`},
		"json suffix":  {"application/x+json", `{"a":1}`, nil, 202, []string{"accepted"}, `"datacontenttype":"application/x+json","data":{"a":1}}`},
		"no type":      {"", `{"a":1}`, nil, 202, []string{"accepted"}, `"type":"page.view","data":{"a":1}}`},
		"no data":      {json, "", nil, 202, []string{"accepted"}, `"datacontenttype":"application/json"}`},
		"escaped":      {json, `{}`, []string{"Ce-Subject", "%E2%98%83 %22"}, 202, []string{"accepted"}, `"subject":"☃ \"","type":"page.view","datacontenttype":"application/json","data":{}}`},
		"not escaped":  {json, `{}`, []string{"Ce-Subject", "100%"}, 202, []string{"accepted"}, `"subject":"100%","type":"page.view","datacontenttype":"application/json","data":{}}`},
		"quoted":       {json, `{}`, []string{"Ce-Subject", `"a \"b\" %41"`}, 202, []string{"accepted"}, `"subject":"a \"b\" A","type":"page.view","datacontenttype":"application/json","data":{}}`},
		"two quoted":   {json, `{}`, []string{"Ce-Subject", `"a" "b"`}, 202, []string{"accepted"}, `"subject":"\"a\" \"b\"","type":"page.view","datacontenttype":"application/json","data":{}}`},
		"cut quotes":   {json, `{}`, []string{"Ce-Subject", `"a\"`}, 202, []string{"accepted"}, `"subject":"\"a\\\"","type":"page.view","datacontenttype":"application/json","data":{}}`},
		"json as text": {"text/plain", `{"a":1}`, nil, 202, []string{"accepted"}, `"data_base64":"eyJhIjoxfQ=="}`},
		"cut":          {json, `{"a":`, nil, 422, []string{"field.type/data_base64"}, `"data_base64":"eyJhIjo="}`},
		"no object":    {json, `[1]`, nil, 422, []string{"field.type/data"}, `"data":[1]}`},
		"two texts":    {json, `{} {}`, nil, 422, []string{"field.type/data_base64"}, `"data_base64":"e30ge30="}`},
		"no version":   {json, `{}`, []string{"Ce-Specversion", ""}, 422, []string{"cloudevent.invalid/specversion"}, `"data":{}}`},
		"data, too":    {json, `{}`, []string{"Ce-Data", "x"}, 422, []string{"cloudevent.invalid/ce-data"}, `"datacontenttype":"application/json","data":{}}`},
		"base64, too":  {json, "", []string{"Ce-Data_base64", "e30="}, 422, []string{"cloudevent.invalid/ce-data_base64"}, `"datacontenttype":"application/json"}`},
		"Latin-1":      {json, `{}`, []string{"Ce-Subject", "\xe9"}, 400, nil, ""},
		"too large":    {json, `[` + strings.Repeat("1,", event.MaxEventBytes/2) + `x`, nil, 413, []string{"event.too_large"}, `,1,1,`},
	} {
		t.Run(name, func(t *testing.T) {
			a := d.register(nextUID(), registry.Policy{})
			header := http.Header{}
			for pair := range slices.Chunk(append([]string{
				"Ce-Specversion", "1.0", "Ce-Id", "1", "Ce-Source", "/s", "Ce-Type", "page.view", "Ce-Sessionid", "s",
			}, c.header...), 2) {
				header.Set(pair[0], pair[1])
			}
			pairs := []string{"Authorization", "Bearer " + a.key}
			if c.media != "" {
				pairs = append(pairs, "Content-Type", c.media)
			}
			for name, values := range header {
				pairs = append(pairs, name, values[0])
			}
			got := d.send(http.MethodPost, "/v1/events", strings.NewReader(c.body), pairs...)
			if got.status != c.status {
				t.Fatalf("answered %d %s", got.status, got.body)
			}
			if diff := cmp.Diff(c.verdicts, got.verdicts()); diff != "" {
				t.Error(diff)
			}
			requests := d.appended(a.UID)
			if c.original == "" {
				if len(requests) > 0 {
					t.Errorf("appended %v", items(requests))
				}
				return
			}
			if item := requests[0].Items[0]; item.Format != event.CloudEvent || !strings.HasSuffix(string(item.Original), c.original) {
				t.Errorf("appended as %s: %s", item.Format, item.Original)
			}
		})
	}
}
