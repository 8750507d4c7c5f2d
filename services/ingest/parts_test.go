package ingest_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/api/registry"
)

// TestPartsOfARecord: a request that was refused whole is recorded in entries that keep Redis for a moment each, every event
// under the sequence that it has in the request. With an accepted event it is one entry.
func TestPartsOfARecord(t *testing.T) {
	t.Parallel()
	const events, largest = 40, 256 << 10
	refused := `{"session_id":1,"category":"c","name":"n","data":{"text":"` + strings.Repeat("x", 30_000) + `"}}`
	d := newDoor(t)
	d.stopBudget()
	for name, c := range map[string]struct {
		body  string
		parts int
		items int
	}{
		"refused whole":     {"[" + strings.Repeat(refused+",", events-1) + refused + "]", 8, events},
		"with one accepted": {"[" + strings.Repeat(refused+",", events-1) + good + "]", 1, events},
		"of small ones":     {"[" + strings.Repeat("1,", events-1) + "2]", 1, events},
		"one that is large": {"[" + strings.Replace(refused, "xxx", strings.Repeat("y", largest/2), 1) + ",1]", 2, 2},
	} {
		a := d.register(nextUID(), registry.Policy{})
		if got := d.post(a, c.body); got.status != http.StatusAccepted && got.status != http.StatusUnprocessableEntity {
			t.Fatalf("%s: answered %d %s", name, got.status, got.body)
		}
		parts := d.appended(a.UID)
		if len(parts) != c.parts {
			t.Errorf("%s: %d parts, want %d", name, len(parts), c.parts)
		}
		var sequences, want []event.Sequence
		for _, part := range parts {
			size := 0
			for i, item := range part.Items {
				sequences = append(sequences, event.Nth(part.Sequence, i))
				size += len(item.Original)
			}
			if c.parts > 1 && size > largest {
				t.Errorf("%s: a part has %d bytes", name, size)
			}
		}
		for i := range c.items {
			want = append(want, event.Nth(parts[0].Sequence, i))
		}
		if diff := cmp.Diff(want, sequences); diff != "" {
			t.Errorf("%s: sequences (-want +got):\n%s", name, diff)
		}
	}
}
