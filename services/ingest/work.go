package ingest

import (
	"context"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/api/event/jsonb"
	"github.com/theeye-dev/theeye/services/internal/check"
)

// judgingBytes is what judging a body of n bytes takes while it lasts: 16 bytes for each JSON value of an event, which
// has two bytes or more; what is to be appended, as it grows; some for every event. Small bodies' is not counted, for
// few are judged at once.
func judgingBytes(n int) int {
	if n <= lightBytes {
		return 0
	}
	return 8*min(n, event.MaxEventBytes) + n + 2<<20
}

// judged has a request judged in its turn, and returns what is to be appended of it: payload up to each of its ends.
// Afterwards the request holds that and its verdicts.
func (s *Service) judged(ctx context.Context, sub *Submission) (receipt *Receipt, payload *[]byte, ends []int, err error) {
	done, err := sub.hold.turn(ctx, len(sub.Body))
	if err != nil {
		return nil, nil, nil, err
	}
	defer done()
	need := judgingBytes(len(sub.Body))
	if sub.form.binary {
		need += structuredBytes(len(sub.Body))
	}
	if err := sub.hold.take(need); err != nil {
		return nil, nil, nil, err
	}
	defer sub.hold.give(need)
	w := s.worker(len(sub.Body))
	receipt, err = s.judgedBy(ctx, w, sub)
	if err != nil {
		s.putAway(w, len(sub.Body))
		return nil, nil, nil, err
	}
	payload = s.payloads.get()
	*payload, ends = w.encode((*payload)[:0], receipt.Accepted)
	s.putAway(w, len(sub.Body))
	if err := sub.hold.take(cap(*payload) + receipt.bytes()); err != nil {
		s.payloads.put(payload)
		s.budget.giveBack(sub.owner(), receipt.spent)
		return nil, nil, nil, err
	}
	return receipt, payload, ends, nil
}

// judgedBy has a worker judge a request, whose hold takes what checks against schemas need. When there is no memory or no
// turn for one, the request is not judged at all: it may have any verdict when it is sent again.
func (s *Service) judgedBy(ctx context.Context, w *worker, sub *Submission) (*Receipt, error) {
	w.checks.Begin(sub.Rules, sub.hold.reserve, func() error { return sub.hold.heavier(ctx) })
	defer w.checks.End()
	receipt, err := w.judge(*sub, s.sequencer, s.budget)
	if err != nil {
		return nil, err
	}
	if err := w.checks.Err(); err != nil {
		s.budget.giveBack(sub.owner(), receipt.spent)
		return nil, err //nolint:wrapcheck // it is the hold's
	}
	return receipt, nil
}

// worker returns one for a body of n bytes. That of a large one is the one before's: to grow anew what reads a MiB of short
// values takes 40 MiB, and the collector's time is everybody's.
func (s *Service) worker(n int) *worker {
	if n > keptBuffer {
		if w := s.large.Swap(nil); w != nil {
			return w
		}
	}
	return s.workers.Get().(*worker) //nolint:forcetypeassert // nothing else is in it
}

// putAway keeps a worker for the next request, and of those that became large one; nothing of this one's body is kept.
func (s *Service) putAway(w *worker, n int) {
	clear(w.request.Items[:len(w.events)]) // as many there were before settling
	clear(w.events)
	if n <= keptBuffer {
		s.workers.Put(w)
		return
	}
	w.splitter.Forget()
	clear(w.seen)
	w.scanner, w.checks, w.body, w.counted, w.scratch = jsonb.Scanner{}, check.Judge{}, nil, nil, nil
	s.large.Store(w)
}
