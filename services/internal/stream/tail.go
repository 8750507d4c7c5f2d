package stream

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/metric"

	"github.com/theeye-dev/theeye/api/event"
)

// Tail is what is kept in the streams of what was acknowledged, for a store that comes back as an older copy of itself:
// restored from a backup, or as a standby that did not get everything. It is then delivered again from the store's own
// mark on, with no hand laid on, and the store recognises what it has.
type Tail struct {
	For time.Duration // since an entry was appended; 0: nothing is kept
	// Bytes that all streams together may take for it; what is not stored yet counts first.
	Bytes  int64
	Anchor Anchor
}

const (
	// MaxTail is far less than the store remembers what it has counted, which is a week: what comes again after that
	// would be counted once more.
	MaxTail = 72 * time.Hour
	// DefaultTailBytes is an eighth of the chart's Redis, and in entries of a request each far less than
	// DefaultMaxBacklog: a tail alone closes no door.
	DefaultTailBytes = 64 << 20
)

// Anchor is the store's own account of the streams: for each a mark, below which it has committed every entry.
type Anchor interface {
	// Anchor gives settle the marks and a text that names this very database since its last start, and keeps the marks
	// that settle returns, in one transaction that no other replica has at the same time. While another one has it,
	// settle is not called, and marks are nil. It returns the marks that are committed.
	Anchor(ctx context.Context, settle Settle) (marks map[string]string, err error)
}

// Settle is what an Anchor calls.
type Settle func(store string, marks map[string]string) (moved map[string]string, err error)

//go:embed settle.lua
var settleSource string

// settleScript has a stream delivered again from the store's mark on when the store may have gone back.
var settleScript = redis.NewScript(groupsSource + settleSource)

type tailMetrics struct{ rewound metric.Int64Counter }

// Hold has the Keeper keep a tail, and registers theeye_stream_rewinds_total. It is called before Run.
func (k *Keeper) Hold(tail Tail, meter metric.Meter) error {
	rewound, err := meter.Int64Counter("theeye.stream.rewinds",
		metric.WithDescription("Streams delivered again from the database's mark on, because it was started anew or replaced."))
	if err != nil {
		return fmt.Errorf("register metrics: %w", err)
	}
	rewound.Add(context.Background(), 0) // an alert on the rise needs the series from the start
	k.tail, k.tailed = tail, tailMetrics{rewound}
	return nil
}

// hold settles the streams with the store. Marks go up only with what the store has committed: an entry is acknowledged
// after its transaction, and the mark is moved by a later one. So a copy of the database that has the mark has all
// entries below it, however old it is.
func (k *Keeper) hold(ctx context.Context, keys []string) (marks map[string]string, err error) {
	if k.tail.For == 0 {
		return nil, nil
	}
	marks, err = k.tail.Anchor.Anchor(ctx, func(store string, marks map[string]string) (map[string]string, error) {
		return k.settle(ctx, keys, store, marks)
	})
	if err != nil {
		return nil, fmt.Errorf("settle streams with the store: %w", err)
	}
	return marks, nil
}

func (k *Keeper) settle(ctx context.Context, keys []string, store string, marks map[string]string) (map[string]string, error) {
	moved, again := map[string]string{}, 0
	for i, key := range keys {
		answer, err := settleScript.Run(ctx, k.client, []string{key, event.StoreKey(i)},
			event.PersistenceGroup, store, marks[key]).Slice()
		if err == nil && len(answer) != 2 {
			err = errors.New("an answer of another form")
		}
		if err != nil {
			return nil, fmt.Errorf("settle %s: %w", key, err)
		}
		if mark, _ := answer[0].(string); mark != "" {
			moved[key] = mark
		}
		if rewound, _ := answer[1].(int64); rewound > 0 {
			again++
		}
	}
	if again > 0 {
		k.tailed.rewound.Add(ctx, int64(again))
		k.log.WarnContext(ctx, "the database was started anew or replaced: what it may lack is delivered again", "streams", again)
	}
	return moved, nil
}

// trimming are the arguments of trimScript for one stream.
func (k *Keeper) trimming(key string, marks map[string]string, now time.Time, streams int) []any {
	if k.tail.For == 0 {
		return []any{"+", "", 0, event.PersistenceGroup}
	}
	from := strconv.FormatInt(max(0, now.Add(-k.tail.For).UnixMilli()), 10) + "-0"
	return []any{marks[key], from, k.tail.Bytes / int64(streams), event.PersistenceGroup}
}
