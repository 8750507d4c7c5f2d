package ingest

import (
	"bytes"
	"io"
	"testing"
	"testing/synctest"
	"time"
)

// TestLargeBodiesRest: what is small is read without a rest, and of what is large every stretch has one.
func TestLargeBodiesRest(t *testing.T) {
	t.Parallel()
	for size, rests := range map[int]int{0: 0, lightBytes - 1: 0, lightBytes: 1, lightBytes + stretch - 1: 1, lightBytes + 10*stretch: 11} {
		synctest.Test(t, func(t *testing.T) {
			began, body := time.Now(), bytes.Repeat([]byte("x"), size)
			text, err := io.ReadAll(&resting{bytes.NewReader(body), lightBytes})
			if err != nil || !bytes.Equal(text, body) {
				t.Fatalf("%d bytes: read %d, %v", size, len(text), err)
			}
			if took := time.Since(began); took != time.Duration(rests)*rest {
				t.Errorf("%d bytes rested for %s, not %d times", size, took, rests)
			}
		})
	}
	if restOf(lightBytes) != 0 || restOf(lightBytes+1) != rest {
		t.Error("small bodies rest while they are scanned, or large ones do not")
	}
}
