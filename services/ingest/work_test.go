package ingest

import (
	"strings"
	"testing"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/api/event/jsonb"
)

// TestWhatRefusalsSayIsCounted: a receipt holds its verdicts and their texts, and six bytes of answer for each of a text.
func TestWhatRefusalsSayIsCounted(t *testing.T) {
	t.Parallel()
	accepted := Receipt{Verdicts: make([]Verdict, 10)}
	refused := Receipt{Verdicts: make([]Verdict, 10)}
	refused.Verdicts[3].Refusal = &event.Refusal{Detail: strings.Repeat("d", 900), Pointer: strings.Repeat("p", 100)}
	if more := refused.bytes() - accepted.bytes(); accepted.bytes() != 10*verdictBytes || more != 7*1000 {
		t.Errorf("ten verdicts are %d bytes, a text of 1,000 is %d", accepted.bytes(), more)
	}
}

// TestWhatReadALargeBodyIsKept: the next large body is read with the same memory, of which nothing is the first's.
func TestWhatReadALargeBodyIsKept(t *testing.T) {
	s := New(nil, nil, nil, nil)
	large := []byte(`[{"data":[` + strings.Repeat("1,", keptBuffer) + `1]}]`)
	w := s.worker(len(large))
	read := func() error {
		_, err := w.splitter.Split(large, event.MaxEventBytes, func(_ []byte, doc *jsonb.Doc, _ *event.Refusal) {
			w.counted = append(w.counted, event.Item{Original: doc.Root().Raw()})
		})
		return err
	}
	if err := read(); err != nil {
		t.Fatal(err)
	}
	w.body = large
	s.putAway(w, len(large))
	if s.worker(keptBuffer) == w {
		t.Error("a small body is read with the memory of a large one")
	}
	if s.worker(len(large)) != w || s.worker(len(large)) == w {
		t.Fatal("not one large body at a time is read with what read the one before")
	}
	if w.body != nil || w.counted != nil {
		t.Error("the first body is still held")
	}
	if bytes := testing.AllocsPerRun(1, func() { _ = read(); w.counted = nil }); bytes > 2 {
		t.Errorf("the second took memory %.0f times", bytes)
	}
}
