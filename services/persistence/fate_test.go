package persistence

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/event"
)

// fate does to two applications whatever may be done to them, in an order that follows from a seed.
type fate struct {
	*fixture
	random *rand.Rand
	now    time.Time
	sent   []event.Request
	rules  book
	done   []string
}

func (f *fate) tick() {
	f.now = f.now.Add(time.Second)
	f.clocked(f.now)
}

func (f *fate) application() uuid.UUID { return []uuid.UUID{shop, blog}[f.random.IntN(2)] }
func (f *fate) sessionID() string      { return fmt.Sprint("s", f.random.IntN(3)) }

// anyItem is one of few ids, so that most of them meet others.
func (f *fate) anyItem() event.Item {
	id, session := fmt.Sprint("i", f.random.IntN(6)), f.sessionID()
	members := []string{"", numeric, `"data":{"path":"x"}`}[f.random.IntN(3)]
	switch f.random.IntN(6) {
	case 0, 1:
		return mismatched(id, session, members)
	case 2:
		return refused(fmt.Sprintf(`{"session_id":%q,"name":"`, session), "json.syntax")
	}
	return at(item(id, session, members), f.now.Truncate(day).AddDate(0, 0, -f.random.IntN(2)))
}

func (f *fate) receive() {
	items := make([]event.Item, 1+f.random.IntN(4))
	for n := range items {
		items[n] = f.anyItem()
	}
	request := f.request(f.application(), items...)
	f.sent = append(f.sent, request)
	outcomes := f.insert(request)
	f.same("redelivered of what is new", int64(0), outcomes[Redelivered])
}

// redeliver finds every event settled that was ever sent, whatever was done since.
func (f *fate) redeliver() {
	for _, n := range f.random.Perm(len(f.sent)) {
		f.same("delivered again", Outcomes{Redelivered: int64(len(f.sent[n].Items))}, f.insert(f.sent[n]))
	}
}

func (f *fate) eraseOne() {
	t := target{session: f.sessionID()}
	if f.random.IntN(4) == 0 {
		t = target{application: f.application()}
	}
	_, err := f.store.requestErasure(f.Context(), t, f.now)
	f.must(err)
	f.tick()
	if f.random.IntN(2) == 0 { // what comes while it is pending stays
		f.receive()
	}
	f.finish(f.store)
	f.same("of a session that is erased", 0, f.count(`
		SELECT count(*) FROM (
		    SELECT sequence FROM persistence.events WHERE session_id = $1 UNION ALL SELECT sequence FROM persistence.failures WHERE session_id = $1
		    UNION ALL SELECT sequence FROM persistence.duplicates WHERE session_id = $1
		) AS left_over WHERE sequence <= (SELECT erased_to FROM persistence.session_erasures WHERE `+target{session: "s"}.row()+")", t.session))
}

func (f *fate) replayOne() {
	id := uuid.Nil
	if ids := f.lines("SELECT sequence::text FROM persistence.failures ORDER BY sequence"); len(ids) > 0 {
		id = uuid.MustParse(ids[f.random.IntN(len(ids))])
	}
	r, q := f.replayer(f.store, f.rules), failureQuestion{id: id, scope: Scope{All: true}}
	if f.random.IntN(3) == 0 {
		_, _ = r.Discard(f.Context(), q)
	} else {
		_, _ = r.One(f.Context(), oneReplay{q, f.random.IntN(3) == 0})
	}
}

func (f *fate) replayAll() {
	r, q := small(f.replayer(f.replica("second"), f.rules), 3), Query{DryRun: f.random.IntN(3) == 0}
	if f.random.IntN(2) == 0 {
		q.Application = f.application()
	}
	replay, before := f.begin(r, q), f.tables()
	f.steps(r)
	if q.DryRun {
		f.same("tables after a dry run", before, f.tables())
	}
	if p := f.progress(replay.ID); p.State != stateFinished || p.Done != p.Total {
		f.Errorf("a replay that has ended: %+v", p)
	}
}

// sound holds what is true at any moment.
func (f *fate) sound() {
	f.recounted("now")
	f.consistent("now")
	f.same("settled twice", 0, f.count(`
		SELECT count(*) FROM (
		    SELECT sequence FROM persistence.events UNION ALL SELECT sequence FROM persistence.duplicates
		    UNION ALL SELECT sequence FROM persistence.failures WHERE state <> 'replayed'
		) AS rows GROUP BY sequence HAVING count(*) > 1 UNION ALL SELECT 0 ORDER BY 1 DESC LIMIT 1`))
	f.same("counters below zero", 0, f.count(`
		SELECT count(*) FROM (SELECT sum(events) AS n FROM persistence.type_usage GROUP BY application, hour, outcome, category, name
		    UNION ALL SELECT sum(events) FROM persistence.usage GROUP BY application, hour, outcome) AS sums WHERE n < 0`))
}

// TestWhateverHappens: events that are sent, repeated, refused, delivered again, erased, replayed and discarded in any order are
// settled once, and counted as what they are.
func TestWhateverHappens(t *testing.T) {
	t.Parallel()
	const seeds, steps = 12, 40
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			f := &fate{fixture: newFixture(t), random: rand.New(rand.NewPCG(seed, 0)), now: time.Now(), rules: book{shop: declared(lax), blog: declared(lax)}}
			acts := map[string]func(){"receive": f.receive, "redeliver": f.redeliver, "erase": f.eraseOne, "replay one": f.replayOne, "replay all": f.replayAll}
			often := slices.Concat(slices.Repeat([]string{"receive"}, 5), slices.Repeat([]string{"redeliver", "erase"}, 2), []string{"replay one", "replay all"})
			for range steps {
				f.tick()
				act := often[f.random.IntN(len(often))]
				f.done = append(f.done, act)
				acts[act]()
				if f.sound(); t.Failed() {
					t.Fatalf("seed %d: %v", seed, f.done)
				}
			}
		})
	}
}
