package ingest

import (
	"time"

	"github.com/theeye-dev/theeye/api/event"
)

// record appends to kept what is kept of a request's refused event: all of it, or beyond the owner's budget one more
// of its code.
func (w *worker) record(kept []event.Item, item event.Item, take func(*event.Item) bool) []event.Item {
	item.OccurredAt = time.Time{}
	if item.Refusal.Code == event.CodeTooLarge && len(item.Original) > maxOriginal {
		item.Original, item.Truncated = beginning(item.Original), true
	}
	if take(&item) {
		return append(kept, item)
	}
	for i := range w.counted {
		if w.counted[i].Refusal.Code == item.Refusal.Code {
			w.counted[i].Count++
			return kept
		}
	}
	w.counted = append(w.counted, event.Item{Refusal: &event.Refusal{Code: item.Refusal.Code}, Truncated: true, Count: 1})
	return kept
}

// close appends the counted items after those that are kept: there is room, for each stands for one or more that are
// not. What was answered is so on the stream together with what was accepted, and waits nowhere.
func (w *worker) close(receipt *Receipt, sequencer *event.Sequencer) {
	if len(w.counted) == 0 {
		return
	}
	for i := range w.counted {
		receipt.Counted += int(w.counted[i].Count)
	}
	w.request.Number = sequencer.Number(len(w.counted))
	w.request.Items = append(w.request.Items, w.counted...)
}
