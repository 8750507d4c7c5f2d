package ingest

import "github.com/theeye-dev/theeye/api/event"

// partBytes is how much of the originals of a request that was refused whole is appended at once. Redis has one entry on
// its disk before it takes the next, whosever that is: one of 4 MiB after 40 to 54 ms.
const partBytes = 128 << 10

// encode appends what is to be stored of a request to payload, in parts that end at ends. What has accepted events is one
// part, so that all of it is stored or nothing. The record of one that has none may come in several.
func (w *worker) encode(payload []byte, accepted int) (_ []byte, ends []int) {
	part := w.request
	left, last := w.request.Items, len(w.request.Items)-len(w.counted) // counted items have numbers, and stay together
	for size, i := 0, 0; i < last && accepted == 0; i++ {
		if size += len(w.request.Items[i].Original); size < partBytes || i == last-1 {
			continue
		}
		n := i + 1 - (len(w.request.Items) - len(left))
		part.Items, part.Number = left[:n], 0
		payload = event.AppendRequest(payload, &part)
		ends = append(ends, len(payload))
		left, part.Sequence, size = left[n:], event.Nth(part.Sequence, n), 0
	}
	part.Items, part.Number = left, w.request.Number
	payload = event.AppendRequest(payload, &part)
	return payload, append(ends, len(payload))
}
