package event_test

import (
	"testing"

	"github.com/theeye-dev/theeye/api/event"
)

// Keys in use cannot change between releases.
func TestStreamNames(t *testing.T) {
	t.Parallel()
	for got, want := range map[string]string{
		event.StreamKey(0):     "theeye:events:{0}",
		event.StreamKey(12):    "theeye:events:{12}",
		event.StoreKey(12):     "theeye:store:{12}",
		event.PartitionsKey:    "theeye:events:partitions",
		event.PersistenceGroup: "persistence",
		event.FieldBatch:       "v1",
		event.FieldTraces:      "traceparent",
	} {
		if got != want {
			t.Errorf("name is %q, want %q", got, want)
		}
	}
}
