package ingest

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/services/internal/fault"
	"github.com/theeye-dev/theeye/services/internal/schema"
)

// eventually waits until something is so.
func eventually(t *testing.T, so func() bool) {
	t.Helper()
	deadline, retry := time.NewTimer(30*time.Second), time.NewTicker(time.Millisecond)
	defer deadline.Stop()
	defer retry.Stop()
	for !so() {
		select {
		case <-retry.C:
		case <-deadline.C:
			t.Fatal("waited in vain")
		}
	}
}

// TestHogsLeaveAShare has owners take all they can get, in any pieces: nobody is given more than is left, so that one more
// who needs little gets it, and all comes back.
func TestHogsLeaveAShare(t *testing.T) {
	t.Parallel()
	const memory = 1 << 20
	for hogs := 1; hogs <= 8; hogs++ {
		random := rand.New(rand.NewPCG(1, uint64(hogs)))
		a := NewAdmission(memory)
		all := make([]*hold, hogs)
		for i := range all {
			all[i] = &hold{admission: a}
			if err := all[i].begin(owner{application: uuid.UUID{byte(i)}}); err != nil {
				t.Fatal(err)
			}
		}
		refused := 0
		for refused < 1000 {
			h := all[random.IntN(hogs)]
			if err := h.take(1 + random.IntN(4<<10)); err == nil && h.bytes > a.free {
				t.Fatalf("%d hogs: one was given %d, left are %d", hogs, h.bytes, a.free)
			} else if err != nil {
				if fault.ProblemOf(err).Code != fault.CodeOverloaded {
					t.Fatal(err)
				}
				refused++
			}
		}
		sum := int64(0)
		for _, h := range all {
			sum += h.bytes
		}
		if sum+a.free != memory || hogs == 1 && sum < memory/2-8<<10 {
			t.Errorf("%d hogs hold %d, left are %d of %d", hogs, sum, a.free, memory)
		}
		modest := &hold{admission: a}
		if err := modest.begin(owner{public: true}); err != nil {
			t.Errorf("beside %d hogs: %v", hogs, err)
		}
		for _, h := range slices.Concat(all, []*hold{modest}) {
			h.give(int(h.bytes))
		}
		if a.free != memory || len(a.held) > 0 {
			t.Errorf("afterwards %d are free, held %v", a.free, a.held)
		}
	}
}

// TestTheLargestRequestIsAdmitted: half of the least memory is enough for it.
func TestTheLargestRequestIsAdmitted(t *testing.T) {
	t.Parallel()
	random, body := rand.New(rand.NewPCG(1, 2)), make([]byte, event.MaxRequestBytes)
	for i := range body {
		body[i] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"[random.IntN(64)]
	}
	for _, c := range []coding{gzipped, zstandard} {
		h := &hold{admission: NewAdmission(MinRequestMemory)}
		if err := h.begin(owner{}); err != nil {
			t.Fatal(err)
		}
		sent := packed(t, body, c)
		if err := h.take(event.MaxRequestBytes + 1); err != nil { // as a body of unknown length takes it
			t.Fatal(err)
		}
		plain, err := newExpander().expand(t.Context(), h, nil, sent, c)
		if err != nil || len(plain) != len(body) {
			t.Fatalf("%d bytes, %v", len(plain), err)
		}
		h.give(event.MaxRequestBytes + 1)
		if h.bytes != int64(requestBytes+cap(plain)) {
			t.Errorf("holds %d for %d bytes", h.bytes, cap(plain))
		}
		judging := h.take(judgingBytes(len(plain)))
		giveBack, err := h.reserve(schema.MaxMemory)
		if err := errors.Join(judging, err); err != nil {
			t.Fatal(err)
		}
		giveBack()
		if err := h.take(5<<20 + verdictBytes*event.MaxEvents); err != nil {
			t.Error(err)
		}
	}
}
