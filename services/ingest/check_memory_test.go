package ingest_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/ingest"
)

// failing is a policy whose schema fails every element of data.a 24 times, and elements an event with n of them.
func failing() registry.Policy {
	return declaring(`{"properties":{"a":{"items":{"allOf":[` + strings.Repeat(`{"type":"string"},`, 23) + `{"type":"string"}]}}}}`)
}

func elements(n int) string { return with(`"data":{"a":[` + strings.Repeat("1,", n-1) + `1]}`) }

// TestChecksAreCounted: what a check against a schema needs is taken from the memory for all, however small its request
// is; where it is not there the request is told so, and its application is not told what it may never have.
func TestChecksAreCounted(t *testing.T) {
	t.Parallel()
	const memory = 16 << 20 // of which one application may have half
	d := newDoor(t)
	admission := d.narrow(func(context.Context, []byte) error { return nil }, memory)
	a, other := d.register(nextUID(), failing()), d.register(nextUID(), registry.Policy{})
	for _, c := range []struct {
		elements int
		verdict  string
	}{{20, "schema.mismatch/data/a/0"}, {1000, "schema.mismatch/data/a/0"}, {3500, "schema.too_costly/data"}} {
		got := d.post(a, elements(c.elements))
		if got.status != http.StatusUnprocessableEntity || !slices.Equal(got.verdicts(), []string{c.verdict}) {
			t.Errorf("%d elements are answered %d %s", c.elements, got.status, got.body)
		}
	}
	d.refusesForNow(d.post(a, elements(1700)), "service.overloaded")
	d.refusesForNow(d.post(a, fmt.Sprintf("[%s,%s]", elements(20), elements(1700))), "service.overloaded")
	if got := d.post(other, good); got.status != http.StatusAccepted {
		t.Errorf("another application is answered %d %s", got.status, got.body)
	}
	d.eventually(func() bool { return admission.Free() == memory })
	d.narrow(func(context.Context, []byte) error { return nil }, ingest.DefaultRequestMemory)
	if got := d.post(a, elements(1700)); got.status != http.StatusUnprocessableEntity {
		t.Errorf("with more memory answered %d %s", got.status, got.body)
	}
}
