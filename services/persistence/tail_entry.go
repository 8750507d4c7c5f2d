package persistence

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// Fields of an entry of the tail. It has messages; or says what was erased, and which of them are to be forgotten; or says
// that whatever came before it is gone.
const (
	tailWriter = "w" // who wrote it, a new name after each start
	tailCount  = "n" // how many outcomes that writer had announced, or tried to, before this entry
	tailKnown  = "k" // how many of them it knows to be on the stream, or to have been: for who has read none of them
	tailTold   = "d" // the messages, a line each (tailed)

	tailErased = "e" // a member of the log of erasures
	tailCutOff = "c" // the sequence up to which it is erased
	tailSalt   = "s" // of the hash in it, in hexadecimal

	tailCut = "x"
)

// tailBlank is a line without a message: of no traits and no tab, so that other releases pass over it, too.
const tailBlank = "-"

// news decodes entries.
func (t *Tail) news(entries []redis.XMessage) (came news) {
	came.unsaid = newUnsaid()
	for _, entry := range entries {
		at, ok := parsePlace(entry.ID + ".0")
		if !ok {
			continue // Redis gives no such ids
		}
		came.read = at
		_, cut := entry.Values[tailCut]
		t.opening.saw(at, cut)
		if erased, ok := erasedOf(entry, t.now()); ok {
			came.unsaid.add(erased)
			t.unsaid.add(erased)
			continue
		}
		came.messages = append(came.messages, t.messagesOf(entry, at)...)
	}
	return came
}

// messagesOf decodes an entry that stands at a place. When its writer has counted further than what was read of it, what is
// between is lost; of a writer of which nothing was read yet, what it knows itself to be. Every line has a message, for who
// comes back with the place of one.
func (t *Tail) messagesOf(entry redis.XMessage, at place) []message {
	writer, _ := entry.Values[tailWriter].(string)
	text, _ := entry.Values[tailTold].(string)
	count, err := strconv.ParseInt(fmt.Sprint(entry.Values[tailCount]), 10, 64)
	if err != nil {
		return nil // not ours
	}
	var messages []message
	expected, known := t.writers[writer]
	if !known {
		expected = knownOf(entry, count)
	}
	if count > expected {
		messages = append(messages, message{place: at, lost: count - expected})
	}
	for line := range strings.Lines(text) {
		count++
		at.line++
		m := messageOf(at, line)
		if t.unsaid.covers(&m) {
			m.blank()
			t.late = append(t.late, at)
		}
		messages = append(messages, m)
	}
	t.writers[writer] = count
	return messages
}

// knownOf reads how many outcomes the writer of an entry knew to be on the stream before it; one of a release that does not
// say so has lost nothing that anybody could tell.
func knownOf(entry redis.XMessage, count int64) int64 {
	known, err := strconv.ParseInt(fmt.Sprint(entry.Values[tailKnown]), 10, 64)
	if err != nil || known < 0 {
		return count
	}
	return known
}

// messageOf decodes a line; one of a release that writes otherwise is nothing but its place.
func messageOf(at place, line string) message {
	m, ok := readTailed(line)
	if !ok {
		return message{place: at}
	}
	return message{place: at, traits: m.traits, told: m.told}
}

// fewEntries is less than what any trimming by size leaves on the stream, which is tailBytes/tailEntryBytes: a stream of no
// more lacks nothing but what was too old.
const fewEntries = tailBytes / tailEntryBytes / 2

// opening is what a stream began with when it was read first.
type opening struct {
	first   place
	entries int
	cut     place // up to here all was taken off
}

// saw counts an entry.
func (o *opening) saw(at place, cut bool) {
	if o.entries == 0 {
		o.first = at
	}
	if cut {
		o.cut = at
	}
	o.entries++
}

// gone returns up to where something may have been on the stream that was not read.
func (o *opening) gone(now time.Time) place {
	gone := placeAt(now.Add(seenFor - tailAge)) // clocks differ
	if o.entries >= fewEntries && gone.before(o.first) {
		gone = o.first
	}
	if gone.before(o.cut) {
		gone = o.cut
	}
	return gone
}
