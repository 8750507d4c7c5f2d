package persistence

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/services/internal/fault"
)

// TestReplaysAreBounded in how many run, and how many are remembered for how long.
func TestReplaysAreBounded(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := f.replayer(f.store, book{shop: {}})
	var group sync.WaitGroup
	refusals := make(chan error, 4*maxReplays)
	for range 2 * maxReplays {
		group.Go(func() {
			if _, err := r.Begin(t.Context(), Query{Application: shop}); err != nil {
				refusals <- err
			}
		})
	}
	group.Wait()
	f.same("refused", maxReplays, len(refusals))
	if err := <-refusals; !strings.Contains(err.Error(), "conflict: 10 replays are running") {
		t.Errorf("%v", err)
	}
	f.begin(r, Query{Application: blog})
	f.begin(r, Query{})
	f.steps(r)
	for range replaysRecorded + 5 {
		f.begin(r, Query{Application: shop})
		f.steps(r)
	}
	f.same("recorded", replaysRecorded, f.count("SELECT count(*) FROM persistence.replays WHERE application = $1", shop))
	f.must(f.store.keep(t.Context(), time.Now().Add(replaysKept-time.Hour)))
	f.same("after some weeks", replaysRecorded+2, f.count("SELECT count(*) FROM persistence.replays"))
	f.must(f.store.keep(t.Context(), time.Now().Add(replaysKept+time.Hour)))
	f.same("after more", 0, f.count("SELECT count(*) FROM persistence.replays"))
}

// TestDryRunsTakeNoPlaceOfReplays: however many dry runs there are, all replays that may run do; and an asker's dry runs
// leave room for another's.
func TestDryRunsTakeNoPlaceOfReplays(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := f.replayer(f.store, book{shop: {}})
	dry := func(asker string) error {
		_, err := r.Begin(t.Context(), Query{Application: shop, DryRun: true, asker: asker})
		return err
	}
	var group sync.WaitGroup
	refusals := make(chan error, 3*maxAskedDryRuns)
	for range 2 * maxAskedDryRuns { // at once: the bound is exact
		group.Go(func() {
			if err := dry("eve"); err != nil {
				refusals <- err
			}
		})
	}
	group.Wait()
	f.same("refused", maxAskedDryRuns, len(refusals))
	if err := <-refusals; !strings.Contains(err.Error(), "conflict: 5 dry runs that you asked for are running") {
		t.Errorf("%v", err)
	}
	if _, err := r.Begin(t.Context(), Query{Application: blog, DryRun: true, asker: "eve"}); err == nil {
		t.Error("the bound of an asker is one of each application")
	}
	for n := maxAskedDryRuns; n < maxDryRuns; n++ {
		f.must(dry(fmt.Sprint("asker ", n)))
	}
	if err := dry("one more"); err == nil || !strings.Contains(err.Error(), "conflict: 20 dry runs of several askers are running") {
		t.Errorf("one too many: %v", err)
	}
	for range maxReplays {
		f.begin(r, Query{Application: shop, asker: "eve"})
	}
	f.begin(r, Query{Application: blog, DryRun: true, asker: "bob"})
}

// TestDryRunsPushNoReplayOut of those that are recorded, and nobody's dry runs those of another.
func TestDryRunsPushNoReplayOut(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := f.replayer(f.store, book{shop: {}})
	replay := f.begin(r, Query{Application: shop, asker: "eve"}) // who wants dry runs after it
	others := f.begin(r, Query{Application: shop, DryRun: true, asker: "ann"})
	f.steps(r)
	for range replaysRecorded + 10 {
		f.begin(r, Query{Application: shop, DryRun: true, asker: "eve"})
		f.steps(r)
	}
	f.same("the replay", stateFinished, f.progress(replay.ID).State)
	f.same("another's dry run", stateFinished, f.progress(others.ID).State)
	f.same("recorded", 2+askedRecorded, f.count("SELECT count(*) FROM persistence.replays"))
}

// TestReplaysTakeTurnsWithDryRuns: a replay has every second chunk, however many dry runs wait.
func TestReplaysTakeTurnsWithDryRuns(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := small(f.replayer(f.store, book{shop: {}}), 1)
	f.manyRefused(shop, 4)
	for n := range 6 {
		f.begin(r, Query{Application: shop, DryRun: true, asker: fmt.Sprint(n)})
	}
	replay := f.begin(r, Query{Application: shop})
	for range 2*4 + 1 {
		_, err := r.step(t.Context())
		f.must(err)
	}
	f.same("done", int64(4), f.progress(replay.ID).Done)
}

// TestReplaysArePaged: the newest first, by keyset pages that stay right while more are asked for; by application, state
// and kind.
func TestReplaysArePaged(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	clock := time.Now().Truncate(time.Second).UTC()
	r := l.replayer(l.store, book{shop: {}, blog: {}})
	r.now = func() time.Time { return clock } // many of one moment: the id breaks ties
	name := map[uuid.UUID]string{}
	begin := func(what string, q Query) uuid.UUID {
		replay := l.begin(r, q)
		name[replay.ID] = what
		return replay.ID
	}
	for n := range 3 {
		begin("shop", Query{Application: shop})
		begin("shop dry", Query{Application: shop, DryRun: true})
		clock = clock.Add(time.Duration(n) * time.Minute) // the first four are of one moment
	}
	begin("blog", Query{Application: blog})
	begin("all", Query{})
	ended, err := r.Cancel(t.Context(), replayQuestion{id: begin("shop cancelled", Query{Application: shop}), scope: Scope{All: true}})
	l.must(err)
	l.same("ended", stateCancelled, ended.State)
	walk := func(token, query string, between func()) (got []string) {
		for cursor, pages := "", 0; pages == 0 || cursor != ""; pages++ {
			var page ReplayPage
			if status, code, _ := l.send(http.MethodGet, token, "/v1/replays?limit=2&"+query+cursor, &page); status != http.StatusOK {
				t.Fatalf("%s%s answered %d %s", query, cursor, status, code)
			}
			for _, one := range page.Replays {
				got = append(got, name[one.ID])
			}
			if len(page.Replays) > 2 || page.NextCursor != "" && len(page.Replays) < 2 {
				t.Errorf("%s: a page of %d, and then %q", query, len(page.Replays), page.NextCursor)
			}
			between()
			cursor = next(page.NextCursor)
		}
		return got
	}
	still := func() {}
	for query, want := range map[string]string{
		"":                             "all,blog,shop,shop,shop,shop cancelled,shop dry,shop dry,shop dry",
		"application=shop/web-shop":    "shop,shop,shop,shop cancelled,shop dry,shop dry,shop dry",
		"dry_run=true":                 "shop dry,shop dry,shop dry",
		"dry_run=false&state=running":  "all,blog,shop,shop,shop",
		"state=cancelled":              "shop cancelled",
		"state=finished":               "",
		"application=" + blog.String(): "blog",
		"application=shop/web-shop&dry_run=false": "shop,shop,shop,shop cancelled",
	} {
		l.same(query, want, strings.Join(sorted(walk(adminToken, query, still)), ","))
	}
	l.same("an application's own", "shop,shop,shop,shop cancelled,shop dry,shop dry,shop dry", strings.Join(sorted(walk(l.keys[shop], "", still)), ","))
	if status, code, _ := l.send(http.MethodGet, l.keys[shop], "/v1/replays?application="+blog.String(), nil); status != http.StatusForbidden {
		t.Errorf("another's are answered %d %s", status, code)
	}
	clock = clock.Add(time.Hour)
	got := walk(adminToken, "", func() { begin("new", Query{Application: bygone, DryRun: true, asker: uuid.NewString()}) })
	l.same("while more are asked for", "all,blog,shop,shop,shop,shop cancelled,shop dry,shop dry,shop dry", strings.Join(sorted(got), ","))
}

// TestDryRunsOfOneStandBehindReplays: while dry runs of single failures queue, a replay waits for one of them at most.
func TestDryRunsOfOneStandBehindReplays(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := f.replayer(f.store, book{shop: {}})
	ids := f.manyRefused(shop, 2)
	all := Scope{All: true}
	end, err := r.takeDryTurn(t.Context()) // a dry run is at work,
	f.must(err)
	impatient, leave := context.WithCancel(t.Context())
	const queued = 20
	refusals, replayed := make(chan error, queued), make(chan error, 1)
	for range queued { // others wait,
		go func() {
			_, err := r.One(impatient, oneReplay{failureQuestion{id: ids[1], scope: all}, true})
			refusals <- err
		}()
	}
	go func() {
		_, err := r.One(t.Context(), oneReplay{failureQuestion{id: ids[0], scope: all}, false})
		replayed <- err
	}()
	<-r.turn // and it comes to its end, but for the place among dry runs: none of the others is next
	f.must(<-replayed)
	f.same("the replay", "replayed stored", f.state(ids[0]))
	leave()
	for range queued {
		if err := <-refusals; err == nil || fault.ProblemOf(err).Code != fault.CodeOverloaded {
			t.Errorf("a dry run that waits and goes: %v", err)
		}
	}
	r.turn <- struct{}{}
	end()
	f.same("afterwards", Stored, f.one(r, ids[1], true).Outcome)
}
