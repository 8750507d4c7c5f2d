package ingest_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/ingest"
	"github.com/theeye-dev/theeye/services/internal/stream"
)

// kept is what streams carry of refused events: by code, how many one by one, and how many in all.
type kept struct {
	recorded, events map[event.Code]int
	numbers          int // of counted items, all different
}

type errorer interface {
	Helper()
	Errorf(format string, args ...any)
}

func keptOf(t errorer, requests []event.Request) kept {
	t.Helper()
	k := kept{recorded: map[event.Code]int{}, events: map[event.Code]int{}}
	numbers := map[uint64]bool{}
	for _, r := range requests {
		number := r.Number
		for _, item := range r.Items {
			switch {
			case item.Refusal == nil:
			case item.Count == 0:
				k.recorded[item.Refusal.Code]++
				k.events[item.Refusal.Code]++
			default:
				if len(item.Original) > 0 || item.Refusal.Detail != "" || !item.Truncated || number == 0 || numbers[number] {
					t.Errorf("a counted item %+v with the number %d", item, number)
				}
				numbers[number] = true
				number++
				k.events[item.Refusal.Code] += int(item.Count)
			}
		}
	}
	k.numbers = len(numbers)
	return k
}

// stopBudget lets nothing come back to the budget, however long the test takes.
func (d *door) stopBudget() {
	stopped := time.Now()
	d.service.Spend(ingest.NewBudget(func() time.Time { return stopped }))
}

// TestFloodIsCounted: every event has its verdict, what is recorded stays within the budget, and what the streams carry
// adds up to what was answered. A code that comes late, and web pages, are recorded beside it.
func TestFloodIsCounted(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	d.stopBudget()
	a := d.register(nextUID(), registry.Policy{Origins: []string{"https://shop.example.com"}})
	missing := `{"session_id":"s","category":"c","data":{"text":"` + strings.Repeat("x", 300) + `"}}`
	flood := "[" + strings.Repeat(missing+","+unknown+",", event.MaxEvents/2-1) + good + "," + missing + "]"
	const requests = 8
	answered := map[event.Code]int{}
	for range requests {
		got := d.post(a, flood)
		if got.status != http.StatusAccepted || got.Accepted != 1 || len(got.Events) != event.MaxEvents {
			t.Fatalf("answered %d, %d accepted", got.status, got.Accepted)
		}
		for i, v := range got.Events {
			if v.Status == "rejected" {
				answered[event.Code(v.Code)]++
				if v.Detail == "" {
					t.Fatalf("verdict %d is %+v", i, v)
				}
			}
		}
	}
	late := d.post(a, `[`+with(`"timestamp":"now"`)+`]`)
	answered[event.Code(late.Events[0].Code)]++
	public := d.send(http.MethodPost, "/v1/events?key="+a.ClientID, strings.NewReader(unknown), "Origin", "https://shop.example.com", "Content-Type", "application/json")
	answered[event.Code(public.Events[0].Code)]++
	found := d.appended(a.UID)
	k := keptOf(t, found)
	if last := found[requests-1]; last.Number+2 != uint64(k.numbers)+1 {
		t.Errorf("the last of %d counted items have the numbers from %d on", k.numbers, last.Number)
	}
	if diff := cmp.Diff(answered, k.events); diff != "" {
		t.Errorf("events by code (-answered +on the streams):\n%s", diff)
	}
	if k.recorded[event.CodeTimestamp] != 1 || len(found[len(found)-1].Items) != 1 || found[len(found)-1].Items[0].Count != 0 {
		t.Error("what came beside the flood was not recorded")
	}
	for _, code := range []event.Code{event.CodeMissing, event.CodeUnknown} {
		if n := k.recorded[code]; n < event.MaxEvents || n > 12_000 {
			t.Errorf("of %d events of %s %d are recorded", k.events[code], code, n)
		}
	}
	for i, r := range found[requests-2 : requests] { // nothing but what is counted, and the accepted one with its id
		id := event.Nth(r.Sequence, event.MaxEvents-2).String()
		if first := r.Items[0]; len(r.Items) != 3 || first.Refusal != nil || first.ID != id {
			t.Errorf("request %d has %d items, the first is %+v; the accepted one's id is %s", i, len(r.Items), r.Items[0], id)
		}
	}
}

// TestCountedRequests: in every form of a request, what is beyond the budget is counted, and the rest as it always is.
func TestCountedRequests(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	d.stopBudget()
	exhausted := func() application {
		a := d.register(nextUID(), registry.Policy{})
		for range 4 {
			d.post(a, "["+strings.Repeat("1,", event.MaxEvents-1)+"1]")
		}
		return a
	}
	for name, c := range map[string]struct {
		body   string
		header []string
		want   []string // on the stream
		ids    []int    // of the accepted items, their places in the request; -1: shortened
		line   string   // in the last detail
	}{
		"one":                    {body: "1", want: []string{"event.not_object 1"}},
		"among others":           {body: "[" + good + ",1," + good + ",2," + unknown + "]", want: []string{"accepted", "accepted", "field.unknown", "event.not_object 2"}, ids: []int{-1, 2}},
		"under an own id":        {body: "[1," + with(`"id":"own"`) + "]", want: []string{"accepted", "event.not_object 1"}, ids: []int{-1}},
		"strict":                 {body: "[" + good + ",1,2," + unknown + "]", header: []string{"Prefer", "handling=strict"}, want: []string{"field.unknown", "event.not_object 2"}},
		"lines":                  {body: good + "\n\n1\n" + unknown, header: []string{"Content-Type", "application/x-ndjson"}, want: []string{"accepted", "field.unknown", "event.not_object 1"}, ids: []int{-1}, line: "line 4"},
		"with an idempotent key": {body: "[1," + good + "]", header: []string{"Idempotency-Key", "k"}, want: []string{"accepted", "event.not_object 1"}},
	} {
		a := exhausted()
		t.Run(name, func(t *testing.T) {
			d := &door{T: t, client: d.client, url: d.url}
			header := append([]string{"Authorization", "Bearer " + a.key}, c.header...)
			if name != "lines" {
				header = append(header, "Content-Type", "application/json")
			}
			got := d.send(http.MethodPost, "/v1/events", strings.NewReader(c.body), header...)
			requests := d.appended(a.UID)
			r := requests[len(requests)-1]
			var have []string
			place := 0
			for _, item := range r.Items {
				switch {
				case item.Refusal == nil:
					have = append(have, "accepted")
					if len(c.ids) > 0 {
						want := ""
						if c.ids[place] >= 0 {
							want = event.Nth(r.Sequence, c.ids[place]).String()
						}
						if item.ID != want {
							t.Errorf("the accepted item %d has the id %q, want %q", place, item.ID, want)
						}
					}
					place++
				case item.Count > 0:
					have = append(have, fmt.Sprint(item.Refusal.Code, " ", item.Count))
				default:
					have = append(have, string(item.Refusal.Code))
				}
			}
			if diff := cmp.Diff(c.want, have); diff != "" {
				t.Errorf("answered %s\nitems (-want +got):\n%s", got.body, diff)
			}
			if last := got.Events[len(got.Events)-1].Detail; !strings.HasPrefix(last, c.line) {
				t.Errorf("detail %q", last)
			}
		})
	}
}

// TestCountsAddUp: whatever comes, and whether or not it can be appended, what the streams carry is what was answered.
func TestCountsAddUp(t *testing.T) {
	t.Parallel()
	events := map[string]string{
		"accepted": good, "event.not_object": "1", "field.unknown": unknown, "field.missing": "{}",
		"field.type": `{"session_id":1,"category":"c","name":"n","data":{"text":"` + strings.Repeat("x", 100_000) + `"}}`,
	}
	rapid.Check(t, func(draw *rapid.T) {
		clock := time.Now()
		var appended []event.Request
		full := false
		s := service(t, func(_ context.Context, payload []byte) error {
			if full {
				return stream.ErrOverloaded
			}
			batch, err := event.DecodeBatch(bytes.Clone(payload))
			appended = append(appended, batch...)
			return err
		})
		s.Spend(ingest.NewBudget(func() time.Time { return clock }))
		answered, counted := map[event.Code]int{}, 0
		for range rapid.IntRange(1, 12).Draw(draw, "requests") {
			var body []string
			for range rapid.IntRange(1, 4).Draw(draw, "kinds") {
				kind := rapid.SampledFrom([]string{"accepted", "event.not_object", "field.unknown", "field.missing", "field.type"}).Draw(draw, "kind")
				n := rapid.IntRange(1, 200).Draw(draw, "events")
				if kind == "field.type" {
					n = min(n, 20) // they are large
				}
				for range n {
					body = append(body, events[kind])
				}
			}
			full = rapid.IntRange(0, 4).Draw(draw, "full") == 0
			clock = clock.Add(time.Duration(rapid.IntRange(0, 60).Draw(draw, "seconds")) * time.Second)
			sub := submission("[" + strings.Join(body, ",") + "]")
			sub.Strict = rapid.Bool().Draw(draw, "strict")
			receipt, err := s.Accept(t.Context(), sub)
			if full != (err != nil) {
				draw.Fatal(err)
			}
			if err != nil {
				continue
			}
			counted += receipt.Counted
			for _, v := range receipt.Verdicts {
				if v.Refusal != nil && v.Refusal.Code != event.CodeStrict {
					answered[v.Refusal.Code]++
				}
			}
		}
		k := keptOf(draw, appended)
		if diff := cmp.Diff(answered, k.events); diff != "" {
			draw.Errorf("events by code (-answered +on the streams):\n%s", diff)
		}
		left := 0
		for code, n := range k.events {
			left += n - k.recorded[code]
		}
		if left != counted {
			draw.Errorf("%d events are said to be counted, %d are", counted, left)
		}
	})
}
