package quota

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/theeye-dev/theeye/services/internal/keyring"
)

const (
	// settleInterval is how soon everything that was spent is settled.
	settleInterval = 100 * time.Millisecond
	// attempt bounds one exchange with Redis.
	attempt = 500 * time.Millisecond
	// patience is how long a request waits that Redis is asked for: events wait for its disk in any case, and a Redis that
	// takes so long for a script is slow.
	patience = 100 * time.Millisecond
	// share is the part of the time that exchanges may take: one that took long is followed by a pause of share times
	// that, so that limits never cost Redis more than a tenth of what it can do.
	share = 9
	// maxPause between exchanges, and the pause after one that failed.
	maxPause = time.Second
	// maxBills are settled in one exchange: some milliseconds of Redis' time.
	maxBills = 1000
	// keepMeters is how long a meter is kept that nobody asks for.
	keepMeters = time.Minute
)

// Limiter knows the meters of all applications that sent anything lately. It is safe for concurrent use.
type Limiter struct {
	client  redis.UniversalClient
	public  Limit
	log     *slog.Logger
	metrics *Metrics
	clock   func() time.Time
	begin   time.Time
	failing bool // Run's alone

	mu     sync.RWMutex
	meters map[id]*meter

	queueMu sync.Mutex
	queue   []*meter      // to be settled
	urgent  chan struct{} // something in the queue cannot wait
}

// New returns a Limiter; Run settles what it lets through. publicRate is what public events of an application without a
// limit of its own are limited to, in events per second; 0: they are not.
func New(client redis.UniversalClient, publicRate int, clock func() time.Time, log *slog.Logger, metrics *Metrics) *Limiter {
	return &Limiter{
		client: client, public: newLimit(publicRate, 0), log: log, metrics: metrics, clock: clock, begin: clock(),
		meters: map[id]*meter{}, urgent: make(chan struct{}, 1),
	}
}

// now is in microseconds, by time.Now's monotonic reading: a wall clock that is set must not fill buckets.
func (l *Limiter) now() int64 { return l.clock().Sub(l.begin).Microseconds() }

// Of returns what a principal's application may send by its policy as it is now; nil when nothing limits it. A nil
// Limiter limits nobody.
func (l *Limiter) Of(p keyring.Principal) *Allowance {
	if l == nil {
		return nil
	}
	limit, limited := limitOf(&p.Application.Policy)
	public := p.Credential == ""
	if !limited && public {
		limit, limited = l.public, l.public.Rate > 0
	}
	if !limited {
		return nil
	}
	return &Allowance{limiter: l, meter: l.meter(id{p.Application.UID, public}, limit), limit: limit}
}

func (l *Limiter) meter(i id, limit Limit) *meter {
	l.mu.RLock()
	m := l.meters[i]
	l.mu.RUnlock()
	if m != nil {
		return m
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if m = l.meters[i]; m == nil {
		m = newMeter(i, limit, l.now())
		l.meters[i] = m
	}
	return m
}

// enqueue has a meter settled, within settleInterval or as soon as may be.
func (l *Limiter) enqueue(m *meter, queue, urgent bool) {
	if queue {
		l.queueMu.Lock()
		l.queue = append(l.queue, m)
		l.queueMu.Unlock()
	}
	if urgent {
		select {
		case l.urgent <- struct{}{}:
		default: // it is known already
		}
	}
}

// forget drops meters that nobody has asked for: a new one is as good.
func (l *Limiter) forget(now int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, m := range l.meters {
		if m.idle(now) {
			delete(l.meters, i)
		}
	}
}

// Run settles until the context ends, and then once more: what was spent just before counts elsewhere, too.
func (l *Limiter) Run(ctx context.Context) error {
	begun := context.WithoutCancel(ctx) // a bill is for once: an exchange that has begun goes on to its own end
	regular, tidy := time.NewTicker(settleInterval), time.NewTicker(keepMeters)
	defer regular.Stop()
	defer tidy.Stop()
	for {
		select {
		case <-ctx.Done():
			l.settle(begun)
			return nil
		case <-tidy.C:
			l.forget(l.now())
			continue
		case <-l.urgent:
		case <-regular.C:
		}
		select {
		case <-time.After(l.settle(begun)):
		case <-ctx.Done():
		}
	}
}
