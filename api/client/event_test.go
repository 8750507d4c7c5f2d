package client_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/theeye-dev/theeye/api/client"
)

func TestEventIsReadBackAsItWas(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`{"id":"a","session_id":"s","category":"c","name":"n","data":{"big":12345678901234567890,"f":1.50},"timestamp":"2026-01-02T03:04:05.678901Z"}`,
		`{"session_id":"s","category":"c","name":"n"}`,
	} {
		e := client.Event{Data: "of before"}
		if err := json.Unmarshal([]byte(text), &e); err != nil {
			t.Fatal(err)
		}
		written, err := json.Marshal(e)
		if diff := cmp.Diff(text, string(written)); diff != "" || err != nil {
			t.Errorf("written again, %v (-want +got):\n%s", err, diff)
		}
	}
	if err := json.Unmarshal([]byte(`{"id":1}`), new(client.Event)); err == nil {
		t.Error("a number was read as an id")
	}
}
