package persistence

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/services/internal/stream"
)

// counted is an item that stands for n refused events.
func counted(code event.Code, n int64) event.Item {
	return event.Item{Truncated: true, Count: n, Refusal: &event.Refusal{Code: code}}
}

// flood is a request as ingest makes it: counted items come last, and the first one's number is on the request.
func (f *fixture) flood(application uuid.UUID, items ...event.Item) event.Request {
	r, n := f.request(application, items...), 0
	for _, i := range items {
		if i.Count > 0 {
			n++
		}
	}
	r.Number = f.sequencer.Number(n)
	return r
}

// sums returns what Failures without originals say, and in how many rows.
func (f *fixture) sums(application uuid.UUID) []string {
	f.Helper()
	return f.lines(`SELECT code, credential, count(*), sum(events)::bigint FROM persistence.failures
		WHERE application = $1 AND events IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2`, application)
}

var noon = time.Date(2026, time.May, 4, 12, 0, 0, 0, time.UTC)

// TestCountedItemsAddUp: to one Failure for each code, credential and ten minutes, once, however often they come.
func TestCountedItemsAddUp(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.clocked(noon.Add(time.Minute))
	first := f.flood(shop, item("a", "s", ""), refused("{}", "field.missing"), counted("field.missing", 4000), counted("field.type", 7))
	second := f.flood(shop, counted("field.missing", 1))
	page := f.flood(shop, counted("field.missing", 30))
	page.Credential = ""
	other := f.flood(blog, counted("field.missing", 500))
	f.same("first", Outcomes{Stored: 1, Refused: 4008}, f.insert(first))
	f.same("others, one of them in two entries", Outcomes{Refused: 531, Redelivered: 4008 + 1 + 1}, f.insert(second, page, first, second, other))
	f.same("sums", []string{"field.missing  1 30", "field.missing 1 1 4001", "field.type 1 1 7"}, f.sums(shop))
	f.same("sums of another application", []string{"field.missing 1 1 500"}, f.sums(blog))
	f.same("rows", 5, f.count("SELECT count(*) FROM persistence.failures"))
	before := f.tables()
	f.storeEntries(f.entry(first), f.entry(second, page, other))
	f.same("after one more delivery", before, f.tables())
	f.clocked(noon.Add(11 * time.Minute)) // of another replica of ingest, whose numbers begin anew
	f.same("in the next ten minutes", Outcomes{Refused: 9}, f.insert(f.flood(shop, counted("field.missing", 9))))
	f.same("sums", []string{"field.missing  1 30", "field.missing 1 2 4010", "field.type 1 1 7"}, f.sums(shop))
	f.same("usage", Outcomes{Stored: 1, Refused: 4048}, f.usage(shop))
	f.recounted("after all")
}

// TestAFloodLeavesFewRows: as many as there are codes, and a bit for every request, redelivered or not.
func TestAFloodLeavesFewRows(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.clocked(noon)
	const requests = 10_000
	var entries []stream.Entry
	for range requests / 100 {
		var together []event.Request
		for range 100 {
			together = append(together, f.flood(shop, counted("field.missing", 50)))
		}
		entries = append(entries, f.entry(together...))
	}
	f.storeEntries(entries...)
	f.storeEntries(entries...)
	f.same("sums", []string{fmt.Sprint("field.missing 1 1 ", requests*50)}, f.sums(shop))
	f.same("usage", Outcomes{Refused: requests * 50}, f.usage(shop))
	f.same("rows and bytes of bits", []string{fmt.Sprint(1+requests/blockItems, " ", 1+requests/8)},
		f.lines("SELECT count(*), sum(length(bits)) FROM persistence.counted"))
	f.same("rows beside", 0, f.count("SELECT count(*) FROM persistence.duplicates"))
	f.must(f.store.keep(t.Context(), noon.Add(duplicatesKept)))
	f.same("after a week", 1+requests/blockItems, f.count("SELECT count(*) FROM persistence.counted"))
	f.must(f.store.keep(t.Context(), noon.Add(duplicatesKept+time.Hour)))
	f.same("and an hour", 0, f.count("SELECT count(*) FROM persistence.counted"))
}

// TestTwoReplicasCountOnce what both are given at the same time, and all of what only one is given.
func TestTwoReplicasCountOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.clocked(noon)
	replicas := []*Postgres{f.store, f.replica("second")}
	const rounds = 60
	var wg sync.WaitGroup
	for round := range rounds {
		common, own := f.entry(f.flood(shop, counted("field.missing", 10), counted("field.type", 1))), [2]stream.Entry{}
		for n := range own {
			own[n] = f.entry(f.flood(shop, counted("field.type", 100), item(fmt.Sprint(round, " ", n), "s", "")))
		}
		for n, replica := range replicas {
			wg.Go(func() {
				if _, err := replica.Insert(t.Context(), records(common, own[n])); err != nil {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	f.same("sums", []string{fmt.Sprint("field.missing 1 1 ", 10*rounds), fmt.Sprint("field.type 1 1 ", 201*rounds)}, f.sums(shop))
	f.same("usage", Outcomes{Stored: 2 * rounds, Refused: 211 * rounds}, f.usage(shop))
	f.recounted("after all")
}

// TestCountedItemsOfABatchThatFails: a record at fault beside them changes nothing, and what is rolled back is not counted.
func TestCountedItemsOfABatchThatFails(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	batch := records(f.entry(f.flood(shop, item("a", "s", `"data":{"a":1}`), item("b", "s", ""), counted("field.missing", 10)), f.flood(shop, counted("field.missing", 20))))
	batch[0].data = []byte(`{"a":"\u0000"}`)
	f.must(f.service.settle(t.Context(), batch))
	f.same("usage", Outcomes{Stored: 1, Failed: 1, Refused: 30}, f.usage(shop))
	f.recounted("after all")
}

// TestCountedItemWithoutANumber is a Failure like others, under its own sequence.
func TestCountedItemWithoutANumber(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := f.request(shop, counted("field.missing", 10), counted("field.missing", 20))
	f.same("first", Outcomes{Refused: 30}, f.insert(r))
	f.same("again", Outcomes{Redelivered: 30}, f.insert(r))
	f.same("sums", []string{"field.missing 1 2 30"}, f.sums(shop))
	f.erase(shop)
	f.same("after its erasure", Outcomes{Redelivered: 30}, f.insert(r))
	f.recounted("after all")
}

// TestEraseCountedItems: what was counted until then is erased, what is counted afterwards stays, in the same ten minutes.
func TestEraseCountedItems(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	now := time.Now().UTC().Truncate(countedSpan).Add(countedSpan / 2)
	f.clocked(now)
	stored, waiting := f.flood(shop, refused("{}", "field.missing"), counted("field.missing", 10)), f.flood(shop, counted("field.missing", 20))
	neighbour := f.flood(blog, counted("field.missing", 5))
	f.insert(stored, neighbour)
	_, err := f.store.requestErasure(t.Context(), target{application: shop}, now.Add(time.Second))
	f.must(err)
	f.clocked(now.Add(time.Minute))
	after := f.flood(shop, counted("field.missing", 40))
	f.same("while it is swept", Outcomes{ErasedRefusal: 20, Refused: 40}, f.insert(waiting, after))
	f.recounted("while it is swept")
	f.finish(f.store)
	f.same("what is left", []string{"field.missing 1 1 40"}, f.sums(shop))
	f.same("usage", Outcomes{Refused: 40}, f.usage(shop))
	f.same("all again", Outcomes{Redelivered: 10 + 1 + 20 + 40 + 5}, f.insert(stored, waiting, after, neighbour))
	f.same("and more", Outcomes{Refused: 2}, f.insert(f.flood(shop, counted("field.missing", 2))))
	f.same("what is left", []string{"field.missing 1 1 42"}, f.sums(shop))
	f.recounted("afterwards")
	_, err = f.store.requestErasure(t.Context(), target{application: shop}, now.Add(2*time.Minute))
	f.must(err)
	f.finish(f.store)
	f.same("after another", map[string]int{}, f.traces(shop))
	f.same("of the neighbour", []string{"field.missing 1 1 5"}, f.sums(blog))
	f.recounted("in the end")
}

// TestFailuresTellWhatWasLeftOut, newest first among the others; replicas of the release before read and write on.
func TestFailuresTellWhatWasLeftOut(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	l.clocked(noon.Add(15 * time.Minute))
	l.insert(l.flood(shop, refused(`{"id":"a"}`, "field.missing"), counted("field.missing", 70)))
	status, body := l.raw(l.url, adminToken, "/v1/failures")
	var page struct{ Failures []map[string]any }
	l.must(json.Unmarshal(body, &page))
	if status != http.StatusOK || len(page.Failures) != 2 {
		t.Fatalf("answered %d %s", status, body)
	}
	for n, want := range []string{
		"2026-05-04T12:15:00.000000Z 1 <nil> <nil> {\"id\":\"a\"} a [/data]",
		"2026-05-04T12:10:00.000000Z 70 true <nil> <nil> <nil> []",
	} {
		got := page.Failures[n]
		l.same("failure", want, fmt.Sprint(got["received_at"], " ", got["count"], " ", got["original_left_out"], " ", got["original_truncated"],
			" ", got["original"], " ", got["event_id"], " ", got["pointers"]))
	}
	l.same("as the release before reads it", []string{"true  " + countedDetail + " open", "false {\"id\":\"a\"} why open"},
		l.lines("SELECT truncated, convert_from(original, 'UTF8'), detail, state FROM persistence.failures ORDER BY received_at"))
	_, err := l.pool.Exec(t.Context(), `
		INSERT INTO persistence.failures (sequence, application, credential, event_id, code, detail, pointers, stage, received_at, original, truncated, trace_id, format)
		VALUES ($1, $2, '1', '', 'field.type', '', '{}', 'ingest', now(), '', true, NULL, 'native')`, uuid.New(), shop)
	l.must(err)
	found, err := l.store.Failures(t.Context(), Query{Limit: 1})
	l.must(err)
	if f := found.Failures[0]; f.Count != 1 || f.LeftOut || !f.Truncated {
		t.Errorf("what it writes is read as %+v", f)
	}
}

// TestSumsAreWhatWasRefused: for any requests, however they are batched and delivered again, by whichever replica.
func TestSumsAreWhatWasRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	replicas := []*Postgres{f.store, f.replica("second")}
	codes := []event.Code{"field.missing", "field.type", "json.depth"}
	rapid.Check(t, func(draw *rapid.T) {
		application, want := uuid.New(), map[event.Code]int64{}
		var total int64
		f.clocked(noon.Add(time.Duration(rapid.IntRange(0, 200).Draw(draw, "minutes")) * time.Minute))
		var requests []event.Request
		for range rapid.IntRange(1, 10).Draw(draw, "requests") {
			var items []event.Item
			for range rapid.IntRange(0, 2).Draw(draw, "recorded") {
				items, total = append(items, refused("{}", "event.not_object")), total+1
			}
			for _, code := range codes {
				if n := rapid.Int64Range(-1, 5000).Draw(draw, "count"); n > 0 {
					items, want[code], total = append(items, counted(code, n)), want[code]+n, total+n
				}
			}
			if len(items) > 0 {
				requests = append(requests, f.flood(application, items...))
			}
		}
		delivered := append([]event.Request{}, requests...)
		for range rapid.IntRange(0, 5).Draw(draw, "redelivered") {
			if len(requests) > 0 {
				delivered = append(delivered, rapid.SampledFrom(requests).Draw(draw, "which"))
			}
		}
		settled := Outcomes{}
		for len(delivered) > 0 {
			n := rapid.IntRange(1, len(delivered)).Draw(draw, "batch")
			outcomes, err := rapid.SampledFrom(replicas).Draw(draw, "replica").Insert(t.Context(), records(f.entry(delivered[:n]...)))
			if err != nil {
				draw.Fatal(err)
			}
			for o, n := range outcomes {
				settled[o] += n
			}
			delivered = delivered[n:]
		}
		if settled[Refused] != total || f.usage(application)[Refused] != total {
			draw.Errorf("%d were refused, %v settled, %v counted", total, settled, f.usage(application))
		}
		for code, n := range want {
			got := f.count("SELECT coalesce(sum(events), 0)::bigint FROM persistence.failures WHERE application = $1 AND code = $2", application, string(code))
			if int64(got) != n {
				draw.Errorf("of %s %d were refused, Failures say %d", code, n, got)
			}
		}
	})
}
