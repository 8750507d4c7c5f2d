package persistence

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/services/internal/postgres"
	"github.com/theeye-dev/theeye/services/internal/stream"
)

const (
	// maxRecords and maxBytes bound one transaction: beyond some thousand rows a larger one is no cheaper, and what
	// goes wrong has to be done again whole.
	maxRecords = 4000
	maxBytes   = 8 << 20
)

// store is where records go; *Postgres is it.
type store interface {
	// Insert writes records in one transaction. It may reorder them.
	Insert(ctx context.Context, records []*record) (Outcomes, error)
}

// Service stores events. It is not safe for concurrent use: one consumer has one.
type Service struct {
	store   store
	log     *slog.Logger
	metrics *Metrics
	reader  reader
}

// New returns a Service.
func New(store store, log *slog.Logger, metrics *Metrics) *Service {
	return &Service{store: store, log: log, metrics: metrics}
}

// Store commits everything in entries: as events, as duplicates that were seen before, or as Failures. It is a
// stream.Handler: after nil the entries may be acknowledged, and after an error, which is never the events' fault,
// storing them again is safe.
func (s *Service) Store(ctx context.Context, entries []stream.Entry) error {
	records := s.reader.read(entries)
	for len(records) > 0 {
		n := chunk(records)
		batch := make([]*record, n)
		for i := range batch {
			batch[i] = &records[i]
		}
		if err := s.settle(ctx, batch); err != nil {
			return err
		}
		records = records[n:]
	}
	return nil
}

// chunk returns how many of the records go into the next transaction.
func chunk(records []record) int {
	bytes := 0
	for i := range records {
		bytes += len(records[i].original)
		if i > 0 && (i == maxRecords || bytes > maxBytes) {
			return i
		}
	}
	return len(records)
}

// settle stores a batch; when PostgreSQL refuses its data, each half alone, down to the one record at fault.
func (s *Service) settle(ctx context.Context, batch []*record) error {
	outcomes, err := s.store.Insert(ctx, batch)
	if err == nil {
		s.metrics.count(ctx, outcomes)
		return nil
	}
	if !postgres.IsDataError(err) {
		return err
	}
	if len(batch) > 1 {
		half := len(batch) / 2
		if err := s.settle(ctx, batch[:half]); err != nil {
			return err
		}
		return s.settle(ctx, batch[half:])
	}
	poison := batch[0]
	if poison.refusal != nil && poison.refusal.Code == event.CodeStore {
		return fmt.Errorf("store failure %s: %w", poison.sequence, err) // not even its record: tried again and logged
	}
	s.log.WarnContext(ctx, "event refused by postgres", "sequence", poison.sequence, "application", poison.application, "error", err)
	poison.fail(event.CodeStore, postgres.Reason(err), "")
	return s.settle(ctx, batch)
}
