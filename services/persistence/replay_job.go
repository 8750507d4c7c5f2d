package persistence

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

const (
	// replayLock is the advisory lock of the chunk that is replayed now.
	replayLock = 0x7468656579650007
	// replayFields are those of a Replay.
	replayFields = "id, state, dry_run, application, code, stage, since, until, total, done, outcomes, codes, requested_at, finished_at, asker"
)

// replayJob is a replay as far as its next chunk needs it. One without an id is of a single Failure, and has no row.
type replayJob struct {
	id     uuid.UUID
	of     Query // which Failures, behind After
	dryRun bool
	counts replayCounts
	now    time.Time
	pause  time.Duration
}

// replayCounts is how far a replay is.
type replayCounts struct {
	done            int64
	outcomes, codes map[string]int64
}

// with adds a chunk.
func (c replayCounts) with(done int, attempts []*Attempt) replayCounts {
	sum := replayCounts{c.done + int64(done), maps.Clone(c.outcomes), maps.Clone(c.codes)}
	for _, a := range attempts {
		sum.outcomes[string(a.Outcome)]++
		if a.Code != "" {
			sum.codes[a.Code]++
		}
	}
	return sum
}

// nextReplay is the one that runs and has waited for the longest; nil where none runs. Replays take turns with dry runs,
// as many as there may be of these: they have half of the chunks at least.
func (p *Postgres) nextReplay(ctx context.Context) (*replayJob, error) {
	rows, err := p.pool.Query(ctx, `
		SELECT id, application, code, stage, since, until, dry_run, after_at, after_sequence, done, outcomes, codes
		FROM persistence.replays WHERE state = 'running'
		ORDER BY max(stepped_at) OVER (PARTITION BY dry_run) NULLS FIRST, stepped_at NULLS FIRST, requested_at, id LIMIT 1`)
	if err != nil {
		return nil, fmt.Errorf("find replay: %w", err)
	}
	job, err := pgx.CollectExactlyOneRow(rows, func(row pgx.CollectableRow) (*replayJob, error) {
		j := &replayJob{of: Query{State: stateOpen, After: &Position{}}}
		var application *uuid.UUID
		var since *time.Time
		err := row.Scan(&j.id, &application, &j.of.Code, &j.of.Stage, &since, &j.of.To, &j.dryRun, &j.of.After.Time, &j.of.After.Sequence,
			&j.counts.done, &j.counts.outcomes, &j.counts.codes)
		if application != nil {
			j.of.Application = *application
		}
		if since != nil {
			j.of.From = *since
		}
		return j, err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find replay: %w", err)
	}
	return job, nil
}

// claim locks a job's row where it is as far as this replica knows: one replica at a time does a chunk, none before the
// pause is over, and a crash leaves it to another. It answers errElsewhere.
func (job *replayJob) claim(ctx context.Context, tx querier) error {
	if job.id == uuid.Nil {
		return nil
	}
	var mine, claimed bool
	batch := &pgx.Batch{}
	batch.Queue("SELECT pg_try_advisory_xact_lock($1)", int64(replayLock)).QueryRow(func(row pgx.Row) error { return row.Scan(&mine) })
	batch.Queue(`
		SELECT FROM persistence.replays WHERE id = $1 AND state = 'running' AND after_at = $2 AND after_sequence = $3
		    AND NOT EXISTS (SELECT FROM persistence.replays WHERE stepped_at > clock_timestamp() - $4::interval AND stepped_at <= clock_timestamp())
		FOR UPDATE SKIP LOCKED`, job.id, job.of.After.Time, [16]byte(job.of.After.Sequence), job.pause).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			claimed = true
		}
		return rows.Err()
	})
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return err
	}
	if !mine || !claimed {
		return errElsewhere
	}
	return nil
}

// progressReplay notes how far a job is where it is as far as is thought.
const progressReplay = `
	UPDATE persistence.replays SET done = $2, outcomes = $3, codes = $4, after_at = $5, after_sequence = $6, stepped_at = clock_timestamp()
	WHERE id = $1 AND state = 'running' AND after_at = $7 AND after_sequence = $8`

func (job *replayJob) progress(found []*candidate, attempts []*Attempt) []any {
	counts, last, after := job.counts.with(len(found), attempts), found[len(found)-1], job.of.After
	return []any{job.id, counts.done, counts.outcomes, counts.codes, last.receivedAt, [16]byte(last.sequence), after.Time, [16]byte(after.Sequence)}
}

func (job *replayJob) queueProgress(batch *pgx.Batch, found []*candidate, attempts []*Attempt) {
	if job.id != uuid.Nil {
		batch.Queue(progressReplay, job.progress(found, attempts)...)
	}
}

// noteDryRun notes how far a dry run is, after all else was taken back. Of two replicas that did the same, one notes it.
func (p *Postgres) noteDryRun(ctx context.Context, job *replayJob, found []*candidate, attempts []*Attempt) error {
	if job.id != uuid.Nil {
		tag, err := p.pool.Exec(ctx, progressReplay, job.progress(found, attempts)...)
		if err != nil {
			return fmt.Errorf("note dry run: %w", err)
		}
		if tag.RowsAffected() == 0 {
			return errElsewhere
		}
	}
	job.move(found, attempts)
	return nil
}

// putBack lets other replays go first: this one's next chunk has failed.
func (p *Postgres) putBack(ctx context.Context, job *replayJob) error {
	_, err := p.pool.Exec(ctx, "UPDATE persistence.replays SET stepped_at = clock_timestamp() WHERE id = $1 AND state = 'running'", job.id)
	if err != nil {
		return fmt.Errorf("put replay back: %w", err)
	}
	return nil
}

// move goes on behind what is committed; the next half of a chunk need not wait.
func (job *replayJob) move(found []*candidate, attempts []*Attempt) {
	if job.id == uuid.Nil {
		return
	}
	last := found[len(found)-1]
	job.counts, job.of.After, job.pause = job.counts.with(len(found), attempts), &Position{last.receivedAt, last.sequence}, 0
}

// endReplay notes that nothing is left to replay.
func (p *Postgres) endReplay(ctx context.Context, job *replayJob) error {
	_, err := p.pool.Exec(ctx, "UPDATE persistence.replays SET state = 'finished', finished_at = $2 WHERE id = $1 AND state = 'running'", job.id, job.now)
	if err != nil {
		return fmt.Errorf("end replay: %w", err)
	}
	return nil
}
