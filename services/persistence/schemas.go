package persistence

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/services/internal/check"
	"github.com/theeye-dev/theeye/services/internal/schema"
)

const (
	// schemasKept is for how long a schema is kept that neither a policy nor a Failure names any more: what it has refused
	// may still be on a stream.
	schemasKept = duplicatesKept
	// schemaPause is between two looks at the policies: they change in bursts.
	schemaPause = time.Second
	// schemaBytes is how much one statement writes.
	schemaBytes = 1 << 20
)

// allRules has the rules of all applications, and tells when they change; *keyring.Keyring does.
type allRules interface {
	AllRules(ctx context.Context) (all iter.Seq[*check.Rules], changed <-chan struct{})
}

// Schemas keeps every schema that the policies in the application log declare, by its digest: a Failure shows the one that
// refused it when the policy has another by then.
type Schemas struct {
	store *Postgres
	rules allRules
	now   func() time.Time
	log   *slog.Logger
}

// NewSchemas returns a Schemas.
func NewSchemas(store *Postgres, rules allRules, now func() time.Time, log *slog.Logger) *Schemas {
	return &Schemas{store: store, rules: rules, now: now, log: log}
}

// Run keeps schemas until the context ends: those of a policy that changes at once, all of them now and then, for the
// database may be an older one by then.
func (s *Schemas) Run(ctx context.Context) error {
	ticker, pause := time.NewTicker(housekeeping), time.NewTicker(schemaPause)
	defer ticker.Stop()
	defer pause.Stop()
	noted, whole := map[event.SchemaDigest]bool{}, true
	for ctx.Err() == nil {
		changed, err := s.round(ctx, noted, whole)
		again := make(<-chan time.Time)
		if err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "schemas cannot be kept", "error", err)
			again = pause.C
		}
		whole = err != nil && whole
		select {
		case <-ctx.Done():
		case <-ticker.C:
			whole = true
		case <-changed:
		case <-again:
		}
		select {
		case <-ctx.Done():
		case <-pause.C:
		}
	}
	return nil
}

// round keeps the schemas of today's policies. A whole one does so with all of them, and then forgets those that nothing
// names any more.
func (s *Schemas) round(ctx context.Context, noted map[event.SchemaDigest]bool, whole bool) (changed <-chan struct{}, err error) {
	if whole {
		clear(noted)
	}
	changed, err = s.note(ctx, noted)
	if err == nil && whole {
		err = s.forget(ctx)
	}
	return changed, err
}

// note keeps the schemas that are declared now, but for those that are noted. changed is closed when there may be others.
func (s *Schemas) note(ctx context.Context, noted map[event.SchemaDigest]bool) (changed <-chan struct{}, err error) {
	all, changed := s.rules.AllRules(ctx)
	if all == nil {
		return nil, ctx.Err()
	}
	texts := map[event.SchemaDigest][]byte{}
	for rules := range all {
		for digest, text := range rules.Schemas {
			if len(text) <= schema.MaxBytes && !noted[digest] { // a larger one refuses nothing by itself
				texts[digest] = text
			}
		}
	}
	if err := s.keep(ctx, texts); err != nil {
		return changed, fmt.Errorf("keep schemas: %w", err)
	}
	for digest := range texts {
		noted[digest] = true
	}
	return changed, nil
}

// keep writes those that are not known, or that were not seen today, in the order of their keys: replicas do so at once.
func (s *Schemas) keep(ctx context.Context, texts map[event.SchemaDigest][]byte) error {
	if len(texts) == 0 {
		return nil
	}
	digests, now := make([][]byte, 0, len(texts)), s.now()
	for digest := range texts {
		digests = append(digests, digest[:])
	}
	rows, err := s.store.pool.Query(ctx, `
		SELECT d.digest FROM unnest($1::bytea[]) AS d (digest)
		WHERE NOT EXISTS (SELECT FROM persistence.schemas s WHERE s.digest = d.digest AND s.seen_at > $2)`, digests, now.Add(-day))
	if err != nil {
		return err
	}
	missing, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
	if err != nil {
		return err
	}
	slices.SortFunc(missing, bytes.Compare)
	for len(missing) > 0 {
		n, size := 0, 0
		schemas := [][]byte{}
		for ; n < len(missing) && size < schemaBytes; n++ {
			text := texts[event.SchemaDigest(missing[n])]
			schemas, size = append(schemas, text), size+len(text)
		}
		if _, err := s.store.pool.Exec(ctx, `
			INSERT INTO persistence.schemas AS s (digest, schema, seen_at)
			SELECT digest, schema, $3 FROM unnest($1::bytea[], $2::bytea[]) AS i (digest, schema)
			ON CONFLICT (digest) DO UPDATE SET seen_at = greatest(s.seen_at, excluded.seen_at)`, missing[:n], schemas, now); err != nil {
			return err
		}
		missing = missing[n:]
	}
	return nil
}

// forget deletes those that no policy has had for a while, and no Failure names.
func (s *Schemas) forget(ctx context.Context) error {
	_, err := s.store.pool.Exec(ctx, `
		DELETE FROM persistence.schemas s WHERE seen_at < $1
		    AND NOT EXISTS (SELECT FROM persistence.failures f WHERE f.schema_digest = s.digest)`, s.now().Add(-schemasKept))
	if err != nil {
		return fmt.Errorf("forget schemas: %w", err)
	}
	return nil
}
