package persistence

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/event"
)

// TestReplayStory: a bad event is refused, its policy is put right, a dry run tells so, the replay stores it as it would
// have been stored when it came, and everybody can see that.
func TestReplayStory(t *testing.T) {
	t.Parallel()
	a := newAudience(t)
	came := time.Now().UTC().Add(-48 * time.Hour).Truncate(time.Microsecond)
	a.clocked(came)
	bad := mismatched("order-1", "s", numeric)
	bad.Original = []byte(`{"id":"order-1","session_id":"s","category":"page","name":"view","data":{"path":1},"timestamp":"` + event.FormatTimestamp(came.Add(-time.Hour)) + `"}`)
	id := a.refuse(shop, bad)[0]
	path := "/v1/failures/" + id.String()
	a.declare(a.redis, shop, "web-shop", 2, declared(strict))
	var got Attempt
	for range 2 {
		if status, _, _ := a.send(http.MethodPost, a.keys[shop], path+"/replay?dry_run=true", &got); status != http.StatusOK {
			t.Fatalf("a dry run is answered %d", status)
		}
		a.same("while nothing is put right", Attempt{
			ID: id, DryRun: true, Outcome: Refused, Code: "schema.mismatch", Detail: "type: must be of type string, not number", Pointers: []string{"/data/path"},
		}, got)
	}
	a.declare(a.redis, shop, "web-shop", 3, declared(lax))
	before := a.tables()
	got = Attempt{}
	a.send(http.MethodPost, a.keys[shop], path+"/replay?dry_run=true", &got)
	a.same("a dry run", Attempt{ID: id, DryRun: true, Outcome: Stored}, got)
	a.same("what a dry run leaves", before, a.tables())

	listener := a.stream(a.url, a.keys[shop], "outcome=stored", "")
	got = Attempt{}
	a.send(http.MethodPost, a.keys[shop], path+"/replay", &got)
	a.same("the replay", Attempt{ID: id, Outcome: Stored}, got)
	a.same("the live tail", []string{"stored order-1"}, listener.told(1))
	a.recounted("afterwards")

	var history History
	a.get(shop, "/v1/events/order-1", &history)
	e := history.Event
	if e == nil || e.ReceivedAt != event.FormatTimestamp(came) || e.Timestamp != event.FormatTimestamp(came.Add(-time.Hour)) || e.Sequence != id || string(e.Data) != `{"path":1}` {
		t.Errorf("the event is %+v", e)
	}
	var moments []string
	for _, h := range history.Happenings {
		moments = append(moments, h.What)
	}
	a.same("its history", []string{"received", "refused", "stored"}, moments)
	var f Failure
	a.get(shop, path, &f)
	if f.State != stateReplayed || f.Attempt == nil || f.Attempt.Outcome != Stored || f.Code != "schema.mismatch" || f.Attempt.At <= f.ReceivedAt {
		t.Errorf("the failure is %+v, attempt %+v", f, f.Attempt)
	}
	got = Attempt{}
	a.send(http.MethodPost, a.keys[shop], path+"/replay", &got)
	a.same("once more", Attempt{ID: id, Outcome: Stored}, got)
	if n := a.count("SELECT count(*) FROM persistence.events"); n != 1 {
		t.Errorf("%d events are stored", n)
	}
	a.same("counters", Outcomes{Stored: 1, Refused: 0}, a.usage(shop))
}

// TestReplayMeetsWhatIsStored: the same content under an id is a duplicate and closes, another one is a conflict and does
// not, and both are told by a dry run; also within one chunk.
func TestReplayMeetsWhatIsStored(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := f.replayer(f.store, book{shop: {}})
	f.insert(f.request(shop, item("a", "s", ""), item("b", "s", "")))
	same, other := f.refuse(shop, mismatched("a", "s", ""))[0], f.refuse(shop, mismatched("b", "s", numeric))[0]
	twice := f.refuse(shop, mismatched("c", "s", ""), mismatched("c", "s", ""), mismatched("c", "s", numeric))
	for _, dry := range []bool{true, false, false} {
		if got := f.one(r, same, dry); got.Outcome != Duplicate || got.Code != "" {
			t.Errorf("the same content: %+v", got)
		}
		if got := f.one(r, other, dry); got.Outcome != Conflict || got.Code != "id.conflict" || len(got.Pointers) != 1 || got.Pointers[0] != "/id" {
			t.Errorf("other content: %+v", got)
		}
	}
	f.begin(r, Query{Application: shop})
	f.steps(r)
	got := []string{f.state(same), f.state(other)}
	for _, id := range twice {
		got = append(got, f.state(id))
	}
	f.same("states", []string{"replayed duplicate", "open conflict id.conflict", "replayed stored", "replayed duplicate", "open conflict id.conflict"}, got)
	f.recounted("afterwards")
	f.same("counters", Outcomes{Stored: 3, Duplicate: 2, Refused: 2}, f.usage(shop))
}

// TestReplayOfWhatIsNotWhole is refused clearly: of an original that was cut, left out, or of nobody.
func TestReplayOfWhatIsNotWhole(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := f.replayer(f.store, book{shop: {}})
	cut := refused(`{"session_id":"s"`, "event.too_large")
	cut.Truncated = true
	id := f.refuse(shop, cut)[0]
	many := f.request(shop, event.Item{Refusal: &event.Refusal{Code: event.CodeMissing}, Truncated: true, Count: 30})
	many.Number = 1
	f.insert(many)
	var counted event.Sequence
	f.must(f.pool.QueryRow(t.Context(), "SELECT sequence FROM persistence.failures WHERE events = 30").Scan(&counted))
	garbage := f.entry()
	garbage.Batch = []byte("no batch")
	f.storeEntries(garbage)
	var nobodys event.Sequence
	f.must(f.pool.QueryRow(t.Context(), "SELECT sequence FROM persistence.failures WHERE application IS NULL").Scan(&nobodys))
	for id, code := range map[event.Sequence]string{id: "replay.no_original", counted: "replay.no_original", nobodys: "replay.no_application"} {
		if got := f.one(r, id, false); got.Outcome != Refused || got.Code != code || got.Detail == "" {
			t.Errorf("%+v, want %s", got, code)
		}
		f.same("state", "open refused "+code, f.state(id))
	}
	replay := f.begin(r, Query{})
	f.steps(r)
	replay = f.progress(replay.ID)
	f.same("by a filter, without what was only counted", []int64{2, 2, 1, 1}, []int64{replay.Total, replay.Done, replay.Codes["replay.no_original"], replay.Codes["replay.no_application"]})
	f.recounted("afterwards")

	// What is discarded is open again when more are counted in it.
	_, err := r.Discard(t.Context(), failureQuestion{id: counted})
	f.must(err)
	f.same("discarded", "discarded discarded", f.state(counted))
	more := f.request(shop, event.Item{Refusal: &event.Refusal{Code: event.CodeMissing}, Truncated: true, Count: 3})
	more.Number, more.ReceivedAt = 2, many.ReceivedAt
	f.insert(more)
	f.same("with more in it", "open discarded", f.state(counted))
}

// TestReplayOfWhatPostgresRefuses leaves its Failure open with the reason, and harms no neighbour.
func TestReplayOfWhatPostgresRefuses(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := f.replayer(f.store, book{shop: {}})
	_, err := f.pool.Exec(t.Context(), `
		CREATE FUNCTION persistence.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no such data' USING ERRCODE = '22023'; END $$;
		CREATE TRIGGER refuse BEFORE INSERT ON persistence.events FOR EACH ROW WHEN (NEW.session_id = 'bad') EXECUTE FUNCTION persistence.refuse()`)
	f.must(err)
	var ids []event.Sequence
	for n := range 7 {
		ids = append(ids, f.refuse(shop, mismatched(fmt.Sprint(n), map[bool]string{true: "bad", false: "s"}[n == 3], ""))...)
	}
	if got := f.one(r, ids[3], true); got.Outcome != Failed || got.Code != "store.refused" {
		t.Errorf("a dry run says %+v", got)
	}
	replay := f.begin(r, Query{Application: shop})
	f.steps(r)
	replay = f.progress(replay.ID)
	f.same("outcomes", map[string]int64{"stored": 6, "failed": 1}, replay.Outcomes)
	f.same("codes", map[string]int64{"store.refused": 1}, replay.Codes)
	f.same("done", []int64{7, 7}, []int64{replay.Done, replay.Total})
	f.same("the bad one", "open failed store.refused", f.state(ids[3]))
	f.recounted("afterwards")
}

// TestReplayAtOnce: two replicas and many requests replay the same Failures at the same moment, while their entry is
// delivered again. Each is stored once.
func TestReplayAtOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	rules := book{shop: {}}
	request := f.request(shop)
	for n := range 20 {
		request.Items = append(request.Items, mismatched(fmt.Sprint("e", n), "s", ""))
	}
	f.insert(request)
	second := f.replica("second")
	var group sync.WaitGroup
	outcomes := make(chan Outcome, 200)
	for _, r := range []*Replayer{f.replayer(f.store, rules), f.replayer(second, rules)} {
		for range 3 {
			group.Go(func() {
				for n := range request.Items {
					a, err := r.One(t.Context(), oneReplay{failureQuestion{event.Nth(request.Sequence, n), shop}, false})
					if err != nil {
						t.Error(err)
						return
					}
					outcomes <- a.Outcome
				}
			})
		}
	}
	group.Go(func() {
		if _, err := second.Insert(t.Context(), records(f.entry(request))); err != nil {
			t.Error(err)
		}
	})
	group.Wait()
	close(outcomes)
	for o := range outcomes {
		if o != Stored {
			t.Errorf("a failure is %s", o)
		}
	}
	f.same("counters", Outcomes{Stored: 20, Refused: 0}, f.usage(shop))
	f.recounted("afterwards")
}

// TestErasedStaysErased: what belongs to a session or an application that was erased is not brought back by a replay,
// whichever is first, and nothing of it is counted.
func TestErasedStaysErased(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := f.replayer(f.store, book{shop: {}, blog: {}})
	replayed, open := f.refuse(shop, mismatched("replayed", "gone", ""))[0], f.refuse(shop, mismatched("open", "gone", ""))[0]
	kept, others := f.refuse(shop, mismatched("kept", "stays", ""))[0], f.refuse(blog, mismatched("other", "stays", ""))[0]
	f.one(r, replayed, false)
	_, err := f.store.requestErasure(t.Context(), target{session: "gone"}, time.Now())
	f.must(err)
	for _, dry := range []bool{true, false} { // it is asked for, and nothing is swept yet
		if got := f.one(r, open, dry); got.Outcome != Erased || got.Code != "" {
			t.Errorf("%+v", got)
		}
	}
	f.same("events", []string{"replayed"}, f.lines("SELECT id FROM persistence.events"))
	f.finish(f.store)
	f.same("of what is erased", []string{"none", "none"}, []string{f.state(replayed), f.state(open)})
	f.recounted("without the session")
	f.same("counters", Outcomes{Stored: 0, Refused: 1}, f.usage(shop))
	if _, err := r.One(t.Context(), oneReplay{failureQuestion{id: open}, false}); err == nil {
		t.Error("what is erased can be replayed")
	}
	f.one(r, kept, false)
	f.begin(r, Query{Application: shop})
	f.erase(shop)
	f.same("what is left of an application", map[string]int{}, f.traces(shop))
	f.recounted("without the application")
	f.same("of the other", "open", f.state(others))
}

// TestRedeliveryOfWhatWasReplayed counts nothing twice, of what ingest refused and of what failed after acceptance.
func TestRedeliveryOfWhatWasReplayed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := f.replayer(f.store, book{shop: {}})
	f.insert(f.request(shop, item("a", "first", "")))
	request := f.request(shop, mismatched("b", "s", ""), item("a", "other", ""))
	f.insert(request)
	conflict := event.Nth(request.Sequence, 1)
	f.same("before", "open", f.state(conflict))
	_, err := f.store.requestErasure(t.Context(), target{session: "first"}, time.Now().Add(-time.Hour)) // an erasure that covers nothing of the second
	f.must(err)
	f.finish(f.store)
	_, err = f.pool.Exec(t.Context(), "DELETE FROM persistence.events WHERE id = 'a'; DELETE FROM persistence.ledger WHERE id = 'a'; DELETE FROM persistence.sessions WHERE session_id = 'first'; "+
		"DELETE FROM persistence.usage WHERE outcome = 'stored'; DELETE FROM persistence.type_usage WHERE outcome = 'stored'")
	f.must(err) // as retention would
	f.same("a conflict whose other event is gone", Stored, f.one(r, conflict, false).Outcome)
	f.same("what was refused", Stored, f.one(r, request.Sequence, false).Outcome)
	before := f.tables()
	f.same("again", Outcomes{Redelivered: 2}, f.insert(request))
	f.same("what a redelivery leaves", before, f.tables())
	f.recounted("afterwards")
	if got := f.usage(shop); got[Stored] != 2 || got[Conflict] != 0 || got[Refused] != 0 {
		t.Errorf("counters %v", got)
	}
}

func TestDiscard(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := f.replayer(f.store, book{shop: {}})
	id, stored := f.refuse(shop, mismatched("a", "s", ""))[0], f.refuse(shop, mismatched("b", "s", ""))[0]
	f.one(r, stored, false)
	for range 2 {
		_, err := r.Discard(t.Context(), failureQuestion{id: id, own: shop})
		f.must(err)
		f.same("state", "discarded discarded", f.state(id))
	}
	for what, err := range map[string]error{
		"conflict: the failure was replayed":                 second(r.Discard(t.Context(), failureQuestion{id: stored})),
		"not_found: there is no such failure, or none":       second(r.Discard(t.Context(), failureQuestion{id: id, own: blog})),
		"not_found: there is no such failure, or none that":  second(r.Discard(t.Context(), failureQuestion{id: uuid.New()})),
		"conflict: the failure was discarded at ":            second(r.One(t.Context(), oneReplay{failureQuestion{id: id}, false})),
		"not_found: there is no such failure, or none that ": second(r.One(t.Context(), oneReplay{failureQuestion{id: id, own: blog}, false})),
	} {
		if err == nil || !strings.HasPrefix(err.Error(), what) {
			t.Errorf("%v, want %s", err, what)
		}
	}
	f.begin(r, Query{})
	f.steps(r)
	f.same("a replay by filter leaves it", "discarded discarded", f.state(id))
	f.recounted("afterwards")
}

func second[T any](_ T, err error) error { return err }

// TestReplayWithoutRules: while the application log is not known nothing is judged, and the Failure stays as it is.
func TestReplayWithoutRules(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	id := l.refuse(shop, mismatched("a", "s", ""))[0]
	r := l.replayer(l.store, unread{})
	if _, err := r.One(t.Context(), oneReplay{failureQuestion{id: id}, false}); err == nil || !strings.HasPrefix(err.Error(), "service.starting") {
		t.Errorf("%v", err)
	}
	l.begin(r, Query{})
	if _, err := r.step(t.Context()); err == nil {
		t.Error("a chunk is replayed without rules")
	}
	l.same("state", "open", l.state(id))
}
