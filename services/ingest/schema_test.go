package ingest_test

import (
	"crypto/sha256"
	"net/http"
	"strings"
	"testing"
)

// TestRefusalsNameTheirSchema in the record of a refused event, whichever form it came in; what no schema has refused names
// none.
func TestRefusalsNameTheirSchema(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	a := d.register(nextUID(), declaring(`false`))
	for media, body := range map[string]string{"application/json": "[" + good + "," + unknown + "]", "application/x-ndjson": good + "\n" + unknown} {
		got := d.send(http.MethodPost, "/v1/events", strings.NewReader(body), "Authorization", "Bearer "+a.key, "Content-Type", media)
		if got.status != http.StatusUnprocessableEntity {
			t.Fatalf("answered %d %s", got.status, got.body)
		}
	}
	requests := d.appended(a.UID)
	if len(requests) != 2 {
		t.Fatalf("%d requests are recorded", len(requests))
	}
	for _, request := range requests {
		mismatch, other := request.Items[0].Refusal, request.Items[1].Refusal
		if mismatch.Schema == nil || *mismatch.Schema != sha256.Sum256([]byte(`false`)) || other.Schema != nil {
			t.Errorf("recorded with %x and %x", mismatch.Schema, other.Schema)
		}
	}
}
