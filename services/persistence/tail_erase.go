package persistence

import (
	"context"
	_ "embed" // the script
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
)

const (
	// eraseBytes is about how much of the tail is copied at once: some milliseconds, in which Redis does nothing else.
	eraseBytes = 256 << 10
	// eraseEntries is more than that is, of the smallest.
	eraseEntries = 512
	// eraseTimeout bounds an erasure of the tail: many times what a busy Redis takes for all of it.
	eraseTimeout = 30 * time.Second
)

//go:embed tail_erase.lua
var tailEraseSource string

// tailEraseScript copies the tail without some of its lines.
var tailEraseScript = redis.NewScript(tailEraseSource)

// errRewriting says that another replica copies the tail: what is to be erased is for the next copy.
var errRewriting = errors.New("another replica takes something off the live tail")

// Erase takes off the tail what was received of targets before they were erased: first out of the memory of every replica,
// each of which reads what is erased in the tail itself, and from then on tells nothing of it that comes late; then out of
// Redis. All other messages keep their places.
func (t *Tail) Erase(ctx context.Context, salt []byte, sweeps []sweep) error {
	if len(sweeps) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, eraseTimeout)
	defer cancel()
	gone, marks := newUnsaid(), make([]string, 0, len(sweeps))
	var last *redis.StringCmd
	_, err := t.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i := range sweeps {
			e := sweeps[i].erased(salt)
			gone.add(e)
			marks = append(marks, sweeps[i].mark())
			last = p.XAdd(ctx, &redis.XAddArgs{Stream: TailKey, Values: e.values()})
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("tell the live tail what is erased: %w", err)
	}
	found, err := t.find(ctx, last.Val(), gone, marks)
	if err != nil {
		return err
	}
	return t.eraseAt(ctx, found)
}

// erased is how a target is written down on the tail.
func (s *sweep) erased(salt []byte) erased {
	if s.session == "" {
		return erased{member: notedApplication(s.application, s.cutOff).member, cutOff: s.cutOff}
	}
	return erased{member: notedSession(saltedHash(string(salt), s.session), s.cutOff).member, salt: string(salt), cutOff: s.cutOff}
}

// mark is in every line of the tail that is of a target, and in hardly any other: few need to be decoded.
func (t target) mark() string {
	if t.session == "" {
		return t.application.String()
	}
	mark, _ := marshal(t.session) // a string, as in a message's traits
	return string(mark)
}

// find reads the tail up to an entry, and returns where something stands that was erased.
func (t *Tail) find(ctx context.Context, last string, gone unsaid, marks []string) (found []place, err error) {
	end, _ := parsePlace(last + ".0")
	marked := func(line string) bool {
		return slices.ContainsFunc(marks, func(mark string) bool { return strings.Contains(line, mark) })
	}
	for position := "0-0"; ; {
		streams, err := t.client.XRead(ctx, &redis.XReadArgs{Streams: []string{TailKey, position}, Count: tailRead, Block: -1}).Result()
		if errors.Is(err, redis.Nil) {
			return found, nil
		}
		if err != nil {
			return nil, fmt.Errorf("look for what is erased on the live tail: %w", err)
		}
		for _, entry := range streams[0].Messages {
			at, _ := parsePlace(entry.ID + ".0")
			text, _ := entry.Values[tailTold].(string)
			for line := range strings.Lines(text) {
				at.line++
				if !marked(line) {
					continue
				}
				if m := messageOf(at, line); gone.covers(&m) {
					found = append(found, at)
				}
			}
			if position = entry.ID; !at.before(end) {
				return found, nil
			}
		}
	}
}

// eraseLate erases in Redis what was announced after its erasure was heard of. What fails is tried again with the next news.
func (t *Tail) eraseLate(ctx context.Context) {
	if len(t.late) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, eraseTimeout)
	defer cancel()
	err := t.eraseAt(ctx, t.late)
	if err == nil {
		t.late = nil
		return
	}
	if !errors.Is(err, errRewriting) && ctx.Err() == nil {
		t.log.WarnContext(ctx, "what was erased is in redis yet", "key", TailKey, "messages", len(t.late), "error", err)
	}
}

// eraseAt erases in Redis what stands at places, which are in their order.
func (t *Tail) eraseAt(ctx context.Context, places []place) error {
	if len(places) == 0 {
		return nil
	}
	name, last := uuid.NewString(), ""
	for rest := linesOf(places); ; {
		args := []any{name, last, eraseBytes, tailBlank}
		next := rest
		if last != "" {
			next = rest[:min(eraseEntries, len(rest))]
		}
		for _, e := range next {
			args = append(args, e.id, e.numbers)
		}
		answer, err := tailEraseScript.Run(ctx, t.client, []string{TailKey, TailKey + ":copy", TailKey + ":owner"}, args...).StringSlice()
		switch {
		case unpermitted(err):
			return t.cut(ctx)
		case err != nil || len(answer) != 2:
			return fmt.Errorf("take what is erased off the live tail: %w", errors.Join(err, errAnswer(answer)))
		case answer[0] == "elsewhere":
			return errRewriting
		case answer[0] == "done":
			return nil
		}
		last = answer[1]
		copied, _ := parsePlace(last + ".0")
		rest = slices.DeleteFunc(rest, func(e entryLines) bool { return !copied.before(e.at) })
	}
}

func errAnswer(answer []string) error {
	if len(answer) == 2 {
		return nil
	}
	return fmt.Errorf("the script answered %q", answer)
}

// entryLines are lines of an entry, as the script takes them.
type entryLines struct {
	at          place
	id, numbers string
}

// linesOf puts places of one entry together.
func linesOf(places []place) (found []entryLines) {
	for _, p := range places {
		if n := len(found); n == 0 || !found[n-1].at.inSameEntry(p) {
			found = append(found, entryLines{at: place{ms: p.ms, n: p.n}, id: p.entry()})
		}
		e := &found[len(found)-1]
		e.numbers += strconv.Itoa(p.line) + " "
	}
	return found
}

// cut takes everything off the tail, where the user of Redis lacks the right to take off a part: one that it had no need for
// in the release before. Who comes back is told that something may be missing.
func (t *Tail) cut(ctx context.Context) error {
	t.log.ErrorContext(ctx, "the user of redis may not erase a part of the live tail: all of it is taken off", "key", TailKey)
	_, err := t.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.XTrimMaxLen(ctx, TailKey, 0)
		p.XAdd(ctx, &redis.XAddArgs{Stream: TailKey, Values: []any{tailCut, "1"}})
		return nil
	})
	if err != nil {
		return fmt.Errorf("cut the live tail: %w", err)
	}
	return nil
}
