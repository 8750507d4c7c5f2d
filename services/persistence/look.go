package persistence

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// examined is how many events a page looks into at most where no index tells which ones are asked for: some ten milliseconds
	// for usual events. A page that ends there has a cursor, however few events it found.
	examined = 5000
	// examinedSessions is the same for a page of sessions: each event costs a look at others of its session.
	examinedSessions = 1000
	// firstLook and lookFactor are how a page gets there, in three steps for events: 50, 500 and 4,450. Each costs a statement.
	firstLook, lookFactor = 50, 10
	// lookPatience is after how long a page makes no further step: for usual events that takes about lookFactor times as long.
	// Pages of an export have fifty times as much, for nobody waits for one of them.
	lookPatience, exportPatience = 20 * time.Millisecond, 50
	// lookTime is for how long a further step may go on. Events that come later may be much larger: then the page ends before them.
	lookTime = 2 * time.Second
	// lookBranches is for how many branches a step is meant: where there are more it is as much longer, for a page ends with
	// the first branch of which nothing more is known.
	lookBranches = 50
)

// inSteps reads a page that may look into so many rows, a few of them first. What that costs nobody knows beforehand: an event may
// have a hundred bytes or a mebibyte, and a question eight conditions. ask makes the statement for q, whose place read
// moves; read tells whether it may go on, for it has come to the end of what was looked into and not of the page, and changes
// nothing where it fails.
func (p *Postgres) inSteps(ctx context.Context, q *Query, most int, ask func() (sql string, args []any), read func(pgx.Rows) (on bool, err error)) error {
	began, patience := time.Now(), p.patience
	if q.each {
		patience *= exportPatience
	}
	for step := firstLook; ; step *= lookFactor {
		q.look = min(step, most)
		sql, args := ask()
		on, err := p.oneStep(ctx, step > firstLook, sql, args, read)
		if step > firstLook && sqlState(err) == queryCanceled {
			return nil // the page is what the steps before have found
		}
		if most -= q.look; err != nil || !on || most == 0 || time.Since(began) > patience {
			return err
		}
	}
}

func (p *Postgres) oneStep(ctx context.Context, further bool, sql string, args []any, read func(pgx.Rows) (on bool, err error)) (on bool, err error) {
	limits := ""
	if further {
		limits = ", set_config('statement_timeout', '" + strconv.FormatInt(lookTime.Milliseconds(), 10) + "', true)"
	}
	rows, err := p.inOrder(ctx, sql, args, limits)
	if err != nil {
		return false, err
	}
	defer rows.Close()
	return read(rows)
}

// shares divides among branches, by their rank, what a step looks into, as SQL. One half goes to all alike: where all have
// events at all times, each has as much to be looked into. The other half goes to each as the inverse of its rank: where they
// have them at different times, only those that come first matter, and nobody knows how many these are.
func (p page) shares(look int) string {
	look *= max(p.branches/lookBranches, 1)
	inverses := 0.0
	for rank := range p.branches {
		inverses += 1 / float64(rank+1)
	}
	return fmt.Sprintf("greatest(%d + %d / rank, 1)", look/(2*p.branches), int(float64(look)/(2*inverses)))
}
