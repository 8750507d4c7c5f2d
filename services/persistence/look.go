package persistence

import (
	"context"
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
	// lookPatience is after how long no further step is made, which takes about lookFactor times as long.
	lookPatience = 20 * time.Millisecond
	// lookBranches bounds among how many branches a step is divided: of each at least one is looked into, and in the last step eleven,
	// for a page ends with the first branch of which nothing more is known.
	lookBranches = 400
)

// inSteps reads a page that may look into so many rows, a few of them first. What that costs nobody knows beforehand: an event may
// have a hundred bytes or a mebibyte, and a question eight conditions. ask makes the statement for q, whose place read
// moves; read tells whether it may go on, for it has come to the end of what was looked into and not of the page.
func (p *Postgres) inSteps(ctx context.Context, q *Query, most int, ask func() (sql string, args []any), read func(pgx.Rows) (on bool, err error)) error {
	began := time.Now()
	for step := firstLook; ; step *= lookFactor {
		q.look = min(step, most)
		sql, args := ask()
		rows, err := p.inOrder(ctx, sql, args)
		if err != nil {
			return err
		}
		on, err := read(rows)
		rows.Close()
		if most -= q.look; err != nil || !on || most == 0 || time.Since(began) > p.patience {
			return err
		}
	}
}

// each is how many rows of each branch are looked into.
func (p page) each(look int) int {
	if look == 0 {
		look = p.examined
	}
	return max(look/min(p.branches, lookBranches), 1)
}
