package persistence

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/theeye-dev/theeye/api/event"
)

// manyRefused stores n Failures of an application in requests of their own.
func (f *fixture) manyRefused(application uuid.UUID, n int) (ids []event.Sequence) {
	f.Helper()
	for i := range n {
		ids = append(ids, f.refuse(application, mismatched(fmt.Sprintf("%s-%03d", application.String()[:1], i), fmt.Sprint("s", i%3), ""))...)
	}
	return ids
}

// small lets a replica do so many Failures a chunk.
func small(r *Replayer, rows int) *Replayer {
	r.rows = rows
	return r
}

// TestReplayOfABacklog: what was received before a replay was asked for, and is stored while it runs, is replayed as well, and
// no more is done than there is.
func TestReplayOfABacklog(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := f.replayer(f.store, book{shop: {}})
	f.manyRefused(shop, 1)
	late := f.request(shop, mismatched("late-1", "s", ""), mismatched("late-2", "s", ""))
	replay := f.begin(r, Query{Application: shop})
	f.same("when it is asked for", int64(1), replay.Total)
	f.insert(late)
	f.steps(r)
	if p := f.progress(replay.ID); p.Done != 3 || p.Total != 3 {
		t.Errorf("done %d of %d", p.Done, p.Total)
	}
}

// TestReplayKilledHalfway: a replica does some chunks and is gone; another one goes on where it was, and each Failure is
// replayed once.
func TestReplayKilledHalfway(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	rules := book{shop: {}, blog: {}}
	first, second := small(f.replayer(f.store, rules), 10), small(f.replayer(f.replica("second"), rules), 10)
	f.manyRefused(shop, 35)
	f.manyRefused(blog, 5)
	replay := f.begin(first, Query{Application: shop})
	if replay.Total != 35 || replay.State != "running" || replay.DryRun || len(replay.Outcomes) != 0 {
		t.Errorf("it begins as %+v", replay)
	}
	for range 2 {
		_, err := first.step(t.Context())
		f.must(err)
	}
	killed, kill := context.WithCancel(t.Context())
	kill()
	if _, err := first.step(killed); !errors.Is(err, context.Canceled) {
		t.Errorf("a replica that is killed: %v", err)
	}
	f.same("halfway", []int64{20, 20}, []int64{f.progress(replay.ID).Done, int64(f.count("SELECT count(*) FROM persistence.events"))})
	f.steps(second)
	replay = f.progress(replay.ID)
	if replay.State != "finished" || replay.Done != 35 || replay.Outcomes["stored"] != 35 || replay.FinishedAt == "" || len(replay.Codes) != 0 {
		t.Errorf("it ends as %+v", replay)
	}
	f.same("Failures by application and state", []string{"a replayed 35", "b open 5"},
		f.lines("SELECT left(application::text, 1), state, count(*) FROM persistence.failures GROUP BY 1, 2 ORDER BY 1"))
	f.recounted("afterwards")
	f.same("nothing is left", 0, f.steps(first))
}

// TestReplayThatCrashesWithinAChunk: PostgreSQL ends its connection when the chunk has written everything but its end.
// Nothing of it is there, and another replica does it.
func TestReplayThatCrashesWithinAChunk(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	rules := book{shop: {}}
	first, second := small(f.replayer(f.replica("first"), rules), 10), small(f.replayer(f.replica("second"), rules), 10)
	f.manyRefused(shop, 25)
	replay := f.begin(first, Query{})
	_, err := first.step(t.Context())
	f.must(err)
	before := f.tables()

	// The chunk waits where it adds to its counters, its last statements: for a lock that this transaction has.
	holder, err := f.pool.Begin(t.Context())
	f.must(err)
	defer holder.Rollback(context.WithoutCancel(t.Context())) //nolint:errcheck // it is over by then
	_, err = holder.Exec(t.Context(), "LOCK persistence.usage IN EXCLUSIVE MODE")
	f.must(err)
	ended := make(chan error, 1)
	go func() {
		_, err := first.step(t.Context())
		ended <- err
	}()
	var pid int
	f.eventually("the chunk waits", func() bool {
		err := f.pool.QueryRow(t.Context(), "SELECT pid FROM pg_locks WHERE NOT granted AND relation = 'persistence.usage'::regclass").Scan(&pid)
		return !errors.Is(err, pgx.ErrNoRows)
	})
	f.same("ended", true, f.count("SELECT pg_terminate_backend($1)::int", pid) == 1)
	if err := <-ended; err == nil {
		t.Error("a chunk whose connection was ended is well")
	}
	f.must(holder.Rollback(t.Context()))
	f.same("what a crash leaves", before, f.tables())
	f.same("progress", int64(10), f.progress(replay.ID).Done)
	f.steps(second)
	replay = f.progress(replay.ID)
	f.same("the end", []int64{25, 25}, []int64{replay.Done, replay.Outcomes["stored"]})
	f.recounted("afterwards")
}

// TestReplayThatCannotGoOn lets others go first, and goes on when it can.
func TestReplayThatCannotGoOn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := f.replayer(f.store, book{shop: {}, blog: {}})
	f.manyRefused(shop, 3)
	f.manyRefused(blog, 3)
	_, err := f.pool.Exec(t.Context(), `
		CREATE FUNCTION persistence.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'out of order' USING ERRCODE = '58000'; END $$;
		CREATE TRIGGER refuse BEFORE INSERT ON persistence.events FOR EACH ROW WHEN (NEW.application = '`+shop.String()+`') EXECUTE FUNCTION persistence.refuse()`)
	f.must(err)
	stuck, other := f.begin(r, Query{Application: shop}), f.begin(r, Query{Application: blog})
	failures := 0
	for range 4 {
		if _, err := r.step(t.Context()); err != nil {
			failures++
		}
	}
	f.same("the other", "finished 3", fmt.Sprint(f.progress(other.ID).State, " ", f.progress(other.ID).Done))
	f.same("the first", "running 0", fmt.Sprint(f.progress(stuck.ID).State, " ", f.progress(stuck.ID).Done))
	f.same("failures", 2, failures)
	_, err = f.pool.Exec(t.Context(), "DROP TRIGGER refuse ON persistence.events")
	f.must(err)
	f.steps(r)
	f.same("the first in the end", "finished 3", fmt.Sprint(f.progress(stuck.ID).State, " ", f.progress(stuck.ID).Done))
}

// TestReplicasReplayTogether: several at once never do a chunk twice, and keep the pause together.
func TestReplicasReplayTogether(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	rules := book{shop: {}}
	f.manyRefused(shop, 60)
	var replicas []*Replayer
	for n := range 3 {
		r := small(f.replayer(f.replica(fmt.Sprint("replica ", n)), rules), 10)
		r.pause = 50 * time.Millisecond
		replicas = append(replicas, r)
	}
	began := time.Now()
	replay := f.begin(replicas[0], Query{})
	dry := f.begin(replicas[0], Query{DryRun: true})
	for _, r := range replicas {
		f.run(r.Run)
	}
	f.eventually("both have ended", func() bool {
		return f.progress(replay.ID).State == "finished" && f.progress(dry.ID).State == "finished"
	})
	took := time.Since(began)
	replay, dry = f.progress(replay.ID), f.progress(dry.ID)
	f.same("the replay", []int64{60, 60}, []int64{replay.Done, replay.Outcomes["stored"]})
	if dry.Total != 60 || dry.Done > 60 {
		t.Errorf("the dry run has done %+v", dry)
	}
	if took < 5*50*time.Millisecond {
		t.Errorf("six chunks with five pauses of 50 ms took %s", took)
	}
	f.recounted("afterwards")
}

// TestDryReplay tells of all, and leaves nothing but its own progress.
func TestDryReplay(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := small(f.replayer(f.store, book{shop: declared(strict)}), 4)
	f.refuse(shop, mismatched("a", "s", ""), mismatched("b", "s", numeric), mismatched("c", "s", ""), mismatched("d", "s", numeric), mismatched("e", "s", ""))
	before := f.tables()
	replay := f.begin(r, Query{Application: shop, DryRun: true})
	f.steps(r)
	replay = f.progress(replay.ID)
	f.same("outcomes", map[string]int64{"stored": 3, "refused": 2}, replay.Outcomes)
	f.same("codes", map[string]int64{"schema.mismatch": 2}, replay.Codes)
	f.same("end", "finished true 5 5", fmt.Sprintf("%s %t %d %d", replay.State, replay.DryRun, replay.Total, replay.Done))
	f.same("what it leaves", before, f.tables())
}

// TestReplayFilters: of an application, a code, a stage and a time, what is open and was received before it was asked for.
func TestReplayFilters(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := small(f.replayer(f.store, book{shop: {}, blog: {}}), 3)
	base := time.Now().Add(-10 * time.Hour).UTC().Truncate(time.Microsecond)
	name := map[event.Sequence]string{}
	add := func(n int, application uuid.UUID, what string, i event.Item) {
		f.clocked(base.Add(time.Duration(n) * time.Hour))
		name[f.refuse(application, i)[0]] = what
	}
	unknown := item("u", "s", "")
	unknown.Refusal = &event.Refusal{Code: event.CodeTypeUnknown}
	f.insert(f.request(shop, item("stored", "s", "")))
	add(0, shop, "mismatch 0", mismatched("m0", "s", ""))
	add(1, shop, "unknown 1", unknown)
	add(2, shop, "conflict 2", item("stored", "s", numeric))
	add(3, blog, "mismatch 3", mismatched("m3", "s", ""))
	add(4, shop, "mismatch 4", mismatched("m4", "s", ""))
	hour := func(n int) time.Time { return base.Add(time.Duration(n) * time.Hour) }
	for _, c := range []struct {
		q    Query
		want string
	}{
		{Query{Code: "schema.mismatch", From: hour(1)}, "mismatch 3,mismatch 4"},
		{Query{Code: "schema.mismatch", Application: shop}, "mismatch 0,mismatch 4"},
		{Query{Stage: "persistence"}, "conflict 2"},
		{Query{Stage: "ingest", To: hour(1)}, "mismatch 0"},
		{Query{Application: shop, From: hour(1), To: hour(3)}, "conflict 2,unknown 1"},
		{Query{Code: "none"}, ""},
		{Query{Application: uuid.New()}, ""},
		{Query{}, "conflict 2,mismatch 0,mismatch 3,mismatch 4,unknown 1"},
	} {
		c.q.DryRun = true
		_, err := f.pool.Exec(t.Context(), "UPDATE persistence.failures SET attempted_at = NULL")
		f.must(err)
		begun := f.begin(r, c.q)
		f.steps(r)
		got := f.progress(begun.ID)
		names := 0
		if c.want != "" {
			names = strings.Count(c.want, ",") + 1
		}
		if got.Total != int64(names) || got.Done != int64(names) || got.State != "finished" {
			t.Errorf("%+v: %d of %d, want %s", c.q, got.Done, got.Total, c.want)
		}
		c.q.DryRun = false
		var found []string
		job := &replayJob{of: c.q}
		job.of.State, job.of.After = stateOpen, &Position{Time: c.q.From}
		if job.of.To.IsZero() {
			job.of.To = time.Now()
		}
		candidates, err := f.store.candidates(t.Context(), job, 100)
		f.must(err)
		for _, one := range candidates {
			found = append(found, name[one.sequence])
		}
		f.same("found", c.want, strings.Join(sorted(found), ","))
	}
	replay := f.begin(r, Query{})
	f.clocked(time.Now().Add(time.Minute))
	late := f.refuse(shop, mismatched("late", "s", ""))[0]
	f.steps(r)
	f.same("what came later", "open", f.state(late))
	f.same("in all", int64(5), f.progress(replay.ID).Done)
}

// TestReplayIsCancelled between chunks, and while one is at work: what is done stays, and is counted.
func TestReplayIsCancelled(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := small(f.replayer(f.store, book{shop: {}}), 10)
	f.manyRefused(shop, 30)
	replay := f.begin(r, Query{Application: shop})
	_, err := r.step(t.Context())
	f.must(err)
	for range 2 {
		cancelled, err := r.Cancel(t.Context(), replayQuestion{id: replay.ID, scope: Scope{Application: shop}})
		f.must(err)
		if cancelled.State != "cancelled" || cancelled.Done != 10 || cancelled.FinishedAt == "" {
			t.Errorf("%+v", cancelled)
		}
	}
	f.same("steps after that", 0, f.steps(r))
	f.same("stored", 10, f.count("SELECT count(*) FROM persistence.events"))
	if _, err := r.Cancel(t.Context(), replayQuestion{id: replay.ID, scope: Scope{Application: blog}}); !errors.Is(err, errNoReplay) {
		t.Errorf("another one's: %v", err)
	}
	job := &replayJob{id: replay.ID, of: Query{State: stateOpen, After: &Position{}, To: time.Now()}, now: time.Now()}
	found, err := f.store.candidates(t.Context(), job, 10)
	f.must(err)
	f.must(r.judge(t.Context(), found))
	if _, err := f.store.replay(t.Context(), job, found); !errors.Is(err, errElsewhere) {
		t.Errorf("a chunk of what was cancelled in between: %v", err)
	}
	again := f.begin(r, Query{Application: shop})
	f.steps(r)
	f.same("another one does the rest", int64(20), f.progress(again.ID).Outcomes["stored"])
	f.recounted("afterwards")
}
