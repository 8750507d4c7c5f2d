package ingest_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

// TestRepeatedIDsCostOneLook: of 5,000 events with one id each is read for its content once, and so is the first, which may
// be as large as all others together.
func TestRepeatedIDsCostOneLook(t *testing.T) { // not parallel: it counts allocations
	const names, repetitions = 500, 100
	s := service(t, func(context.Context, []byte) error { return nil })
	cost := func(first string) float64 {
		body := "[" + with(`"id":"x","data":{`+first+`}`) + strings.Repeat(","+with(`"id":"x","data":{"other":1}`), repetitions) + "]"
		return testing.AllocsPerRun(3, func() {
			receipt, err := s.Accept(t.Context(), submission(body))
			if err != nil || receipt.Accepted != 1 || receipt.Rejected != repetitions {
				t.Fatalf("%+v, %v", receipt, err)
			}
		})
	}
	var members strings.Builder // names that have to be decoded, which costs an allocation each
	for n := range names {
		fmt.Fprintf(&members, `,"\u006e%d":0`, n)
	}
	if more := cost(members.String()[1:]) - cost(""); more > 10*names {
		t.Errorf("%d names of the first event cost %.0f allocations more", names, more)
	}
}
