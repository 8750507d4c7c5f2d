package persistence

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/theeye-dev/theeye/api/event"
)

const (
	// countedSpan is the time that one Failure of counted events covers: fine enough to see how a flood went, and at most
	// 144 rows a day for each code and credential. A whole number of them is an hour, as usage is counted by.
	countedSpan = 10 * time.Minute
	// countedDetail is the detail of such a Failure.
	countedDetail = "refused, and only counted, in the ten minutes from received_at on: there were more of this code than are recorded one by one"
	// blockItems is how many numbers share a row of counted: half a kilobyte, so that a page has room to update it.
	blockItems = 4096
)

// countedNamespace makes the sequences of Failures that stand for many.
var countedNamespace = uuid.MustParse("0d4b8a3e-96f1-5a77-8c55-3f9be2c7a1d4")

// numbered takes the counted items out of a batch. One without a number is a Failure like others, under its sequence.
func numbered(records []*record) (counted, rest []*record) {
	for _, r := range records {
		if r.count > 0 && r.number > 0 {
			counted = append(counted, r)
		} else {
			rest = append(rest, r)
		}
	}
	if len(counted) == 0 {
		return nil, records
	}
	return counted, rest
}

// block names a row of counted.
type block struct {
	hour    time.Time
	replica uint32
	number  uint64
}

func blockOf(r *record) block {
	return block{r.receivedAt.UTC().Truncate(time.Hour), event.Replica(r.sequence), r.number / blockItems}
}

func (b block) compare(other block) int {
	return cmp.Or(b.hour.Compare(other.hour), cmp.Compare(b.replica, other.replica), cmp.Compare(b.number, other.number))
}

// sums is what the counted items of a batch add up to.
type sums struct {
	blocks   map[block][]byte
	failures map[event.Sequence]*record
}

// counted settles counted items. Failures cannot tell what was added to them: an item has a bit of its own, in a row
// that is locked until the batch is committed. A flood leaves a few rows, however many requests it has.
func (w *write) counted(ctx context.Context, records []*record) (*sums, error) {
	s := &sums{map[block][]byte{}, map[event.Sequence]*record{}}
	if len(records) == 0 {
		return s, nil
	}
	for _, r := range records {
		s.blocks[blockOf(r)] = nil
	}
	if err := s.lock(ctx, w.tx); err != nil {
		return nil, err
	}
	for _, r := range records {
		again := !s.mark(r)
		switch {
		case again && w.erasures.covers(r):
			w.settledBefore(r, erasedOutcome(r))
		case again:
			w.settledBefore(r, failureOutcome(r))
		case w.erasures.covers(r):
			w.settled(r, erasedOutcome(r))
		default:
			s.add(r, w.erasures.applications[r.application].cutOff)
			w.settled(r, failureOutcome(r))
		}
	}
	return s, nil
}

// lock reads the bits as they are after every batch before; batches after this one wait for them.
func (s *sums) lock(ctx context.Context, tx querier) error {
	hours, replicas, numbers, _ := s.columns()
	rows, err := tx.Query(ctx, `
		INSERT INTO persistence.counted AS c (hour, replica, block, bits)
		SELECT hour, replica, block, '' FROM unnest($1::timestamptz[], $2::bigint[], $3::bigint[]) AS i (hour, replica, block)
		ON CONFLICT (hour, replica, block) DO UPDATE SET bits = c.bits
		RETURNING hour, replica, block, bits`, hours, replicas, numbers)
	if err != nil {
		return err
	}
	var hour time.Time
	var replica, number int64
	var bits []byte
	_, err = pgx.ForEachRow(rows, []any{&hour, &replica, &number, &bits}, func() error {
		s.blocks[block{hour.UTC(), uint32(replica), uint64(number)}] = bytes.Clone(bits)
		return nil
	})
	return err
}

// columns are the blocks in the order in which they are locked.
func (s *sums) columns() (hours []time.Time, replicas, numbers []int64, bits [][]byte) {
	for _, b := range slices.SortedFunc(maps.Keys(s.blocks), block.compare) {
		hours, replicas, numbers = append(hours, b.hour), append(replicas, int64(b.replica)), append(numbers, int64(b.number))
		bits = append(bits, s.blocks[b])
	}
	return hours, replicas, numbers, bits
}

// mark sets an item's bit, and tells whether it was not set.
func (s *sums) mark(r *record) bool {
	b, n := blockOf(r), r.number%blockItems
	bits, bit := s.blocks[b], byte(1)<<(n%8)
	for uint64(len(bits)) <= n/8 {
		bits = append(bits, 0)
	}
	s.blocks[b] = bits
	if bits[n/8]&bit != 0 {
		return false
	}
	bits[n/8] |= bit
	return true
}

// add adds an item to the Failure of its span. What comes after an erasure has one of its own, beyond the cut-off.
func (s *sums) add(r *record, cutOff event.Sequence) {
	from := r.receivedAt.UTC().Truncate(countedSpan)
	begin := from
	if end := endOf(cutOff); cutOff != uuid.Nil && end.After(begin) {
		begin = end
	}
	q := uuid.NewSHA1(countedNamespace, fmt.Appendf(nil, "%s %q %q %s %d", r.application, r.credential, r.refusal.Code, r.stage, from.UnixMilli()))
	binary.BigEndian.PutUint64(q[:8], uint64(begin.UnixMilli())<<16|7<<12|uint64(q[6]&0xf)<<8|uint64(q[7])) // a sequence: a UUIDv7
	if f := s.failures[q]; f != nil {
		f.count += r.count
		return
	}
	s.failures[q] = &record{
		application: r.application, credential: r.credential, receivedAt: from, sequence: q,
		refusal: &event.Refusal{Code: r.refusal.Code, Detail: countedDetail}, stage: r.stage, truncated: true, count: r.count,
	}
}

// queue writes the bits and adds to the Failures. One that was discarded is open again: nobody has seen what is added.
func (s *sums) queue(batch *pgx.Batch) {
	if len(s.blocks) == 0 {
		return
	}
	hours, replicas, numbers, bits := s.columns()
	batch.Queue(`
		UPDATE persistence.counted c SET bits = i.bits
		FROM unnest($1::timestamptz[], $2::bigint[], $3::bigint[], $4::bytea[]) AS i (hour, replica, block, bits)
		WHERE c.hour = i.hour AND c.replica = i.replica AND c.block = i.block`, hours, replicas, numbers, bits)
	if len(s.failures) > 0 {
		batch.Queue(insertFailures+"(sequence) DO UPDATE SET events = f.events + excluded.events, state = 'open'",
			failureColumns(slices.SortedFunc(maps.Values(s.failures), bySequence))...)
	}
}
