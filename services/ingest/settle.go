package ingest

import (
	"unicode/utf8"

	"github.com/theeye-dev/theeye/api/event"
)

// maxOriginal is how many bytes are kept of an event that was refused for its size: enough to see what it was. Others
// are within the application's limit and are kept whole, so that they can be replayed.
const maxOriginal = 64 << 10

// shorten drops ids that are sequences from accepted items, as long as nothing before those was dropped, so that their
// place in the request tells the sequence.
func (w *worker) shorten(unmoved int) {
	for i := range unmoved {
		if w.request.Items[i].Refusal == nil {
			w.request.Items[i].ID = ""
		}
	}
}

// settle counts the verdicts, applies strict handling, and decides what is kept of refused events. It returns how many
// items are at their places.
func (w *worker) settle(receipt *Receipt, strict bool, take func(*event.Item) bool) (unmoved int) {
	for _, v := range receipt.Verdicts {
		if v.Refusal != nil {
			receipt.Rejected++
		}
	}
	receipt.Strict = strict
	if strict && receipt.Rejected > 0 {
		receipt.Rejected = len(receipt.Verdicts)
	}
	receipt.Accepted = len(receipt.Verdicts) - receipt.Rejected
	kept := w.request.Items[:0]
	w.counted = w.counted[:0]
	for i := range receipt.Verdicts {
		item := w.request.Items[i]
		if item.Refusal == nil && receipt.Accepted == 0 {
			receipt.Verdicts[i].Refusal = &event.Refusal{
				Code:   event.CodeStrict,
				Detail: "valid, but the request asks to be refused whole (Prefer: handling=strict)",
			}
			receipt.Withheld++
			continue // nothing is wrong with it, and nothing is stored of it
		}
		if item.Refusal != nil {
			kept = w.record(kept, item, take)
		} else {
			kept = append(kept, item)
		}
		if len(kept) == i+1 {
			unmoved = i + 1
		}
	}
	w.request.Items = kept
	return unmoved
}

// beginning cuts an original to maxOriginal, and where it is text between two characters, so that it stays text.
func beginning(original []byte) []byte {
	end := maxOriginal
	for cut := end; cut > end-utf8.UTFMax; cut-- {
		if utf8.RuneStart(original[cut]) {
			return original[:cut]
		}
	}
	return original[:end]
}
