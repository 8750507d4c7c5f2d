package operator

import (
	"maps"
	"time"

	"github.com/theeye-dev/theeye/api/apikey"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/api/v1alpha1"
)

// oracle watches a model from its clients' side: which keys they could have read, and until when those have to work.
type oracle struct {
	m       *model
	current registry.Digest                // in the Secret, or last there; zero: none
	held    map[registry.Digest]*time.Time // keys that clients may use; nil: without end
	names   map[string]registry.Digest     // of ids that were published: none is ever given to another key
	made    time.Time                      // when current was
	heard   string                         // the request that current answered
	source  string                         // where current came from
	shaken  bool                           // auth was changed by hand, and nothing was settled since
	booked  bool                           // the Secret had a book before it was published
	torn    bool                           // a candidate was lost by hand in the middle of a rotation
	blurred bool                           // a candidate was: what auth knows of it can only be left to end
}

func newOracle(m *model) *oracle {
	o := &oracle{m: m, held: map[registry.Digest]*time.Time{}, names: map[string]registry.Digest{}}
	m.watch = o.saw
	return o
}

// saw judges a step before it is done and the world after it.
func (o *oracle) saw(v *View, step Step, done bool) {
	o.m.t.Helper()
	if s, is := step.(CreateCandidate); is && !done {
		o.judgeRotation(s)
	}
	if s, is := step.(Publish); is {
		if done {
			o.published(v, s)
		} else {
			o.booked = v.Issued != nil && readBook(v.Issued) != nil
		}
	}
	if done {
		o.check()
	}
}

// judgeRotation fails when a healthy credential would be replaced without a reason.
func (o *oracle) judgeRotation(s CreateCandidate) {
	o.m.t.Helper()
	a := o.m.app
	_, known := o.held[o.current]
	lost := !known || !o.readable()
	moved := s.Key != "" && digest(s.Key) != o.current || s.Key == "" && o.source != ""
	asked := a.Annotations[v1alpha1.RotateAnnotation] != "" && a.Annotations[v1alpha1.RotateAnnotation] != o.heard
	interval := a.RotationInterval()
	old := interval > 0 && !o.m.now.Before(o.made.Add(interval))
	if !lost && !moved && !asked && !old {
		o.m.t.Fatalf("credential %s is made early: the one before is %s old", s.Entry.ID, o.m.now.Sub(o.made))
	}
	for hash, end := range o.held { // a third is live only when a client cannot be given the second, or brings its own
		if hash == o.current || end != nil && !o.m.now.Before(*end) {
			continue
		}
		if !lost && !moved {
			o.m.t.Fatalf("credential %s is made while two are live", s.Entry.ID)
		}
		delete(o.held, hash)
	}
}

// readable tells whether some Secret that the operator can see still has the current key.
func (o *oracle) readable() bool {
	v := o.m.view(true)
	if holder := v.holder(); holder != nil && digest(readKey(holder, v.templateKeys())) == o.current {
		return true
	}
	return v.Existing != nil && digest(readKey(v.Existing, nil)) == o.current
}

// published notes what clients can read from now on.
func (o *oracle) published(v *View, s Publish) {
	o.m.t.Helper()
	book := readBook(v.Issued)
	key := readKey(v.Issued, nil)
	if id, err := apikey.Parse(key); err != nil || id.ClientID != o.m.app.ClientID() || book == nil || digest(key) != book[0].SHA256 {
		o.m.t.Fatalf("published key %q with book %v (%v)", key, book, err)
	}
	if was, given := o.names[book[0].ID]; given && was != book[0].SHA256 {
		o.m.t.Fatalf("credential id %s is given to another key", book[0].ID)
	}
	o.names[book[0].ID] = book[0].SHA256
	if o.current == book[0].SHA256 { // a lost book was made again, by what is known now
		o.held[o.current], o.made, o.heard, o.source = nil, book[0].IssuedAt, book[0].Request, book[0].Source
		return
	}
	if s.Why == whyUpdated && o.booked {
		o.m.t.Fatalf("a repair changed the key")
	}
	if _, known := o.held[o.current]; known {
		o.held[o.current] = after(o.m.now, o.m.app.RotationOverlap())
	}
	o.current, o.made, o.heard, o.source = book[0].SHA256, book[0].IssuedAt, book[0].Request, book[0].Source
	o.held[o.current] = nil
}

// check holds at every moment, also between two steps.
func (o *oracle) check() {
	o.m.t.Helper()
	live := map[registry.Digest]bool{}
	if o.m.auth != nil {
		for _, c := range o.m.auth.Credentials {
			if o.m.live(c) {
				live[c.SHA256] = true
			}
		}
	}
	if len(live) > 2 { // one key may have two ids for a moment
		o.m.t.Fatalf("auth has %d live keys", len(live))
	}
	if o.shaken {
		return
	}
	for hash, end := range o.held {
		if (end == nil || o.m.now.Before(*end)) && !live[hash] {
			o.m.t.Fatalf("a client is refused whose key was replaced at most an overlap ago (current: %t)", hash == o.current)
		}
	}
}

// settled holds when nothing is left to do.
func (o *oracle) settled(d *Decision) {
	o.m.t.Helper()
	o.shaken = false
	o.check()
	v := o.m.seen()
	if again := Decide(v, &o.m.settings); again.Step != nil {
		o.m.t.Fatalf("after everything was done there is %s to do", describe(again.Step))
	}
	if !d.Next.IsZero() && !d.Next.After(o.m.now) {
		o.m.t.Fatalf("next is %s ago", o.m.now.Sub(d.Next))
	}
	if d.Published.Status != "True" {
		return // it waits for somebody
	}
	if v.ours(v.Candidate) {
		o.m.t.Fatalf("a candidate is left")
	}
	if got := digest(o.m.key()); got != o.current {
		o.m.t.Fatalf("the Secret has a key that was not published")
	}
	for _, c := range o.m.auth.Credentials {
		if _, known := o.held[c.SHA256]; !known && (c.NotAfter == nil || !o.blurred) || !o.m.live(c) {
			o.m.t.Fatalf("auth has credential %s, which nobody has", c.ID)
		}
	}
}

// still holds between now and next: time alone changes nothing before it.
func (o *oracle) still(d *Decision, at time.Time) {
	o.m.t.Helper()
	if !d.Next.IsZero() && !at.Before(d.Next) {
		return
	}
	v := o.m.seen()
	v.Now = at
	if later := Decide(v, &o.m.settings); later.Step != nil || later.Published != d.Published || later.Registered != d.Registered {
		o.m.t.Fatalf("%s before next the decision is another: %+v, was %+v", d.Next.Sub(at), later, d)
	}
}

// starts sees what a run begins with: a key that neither a book nor auth tells of any more cannot be kept alive.
func (o *oracle) starts() {
	known := map[registry.Digest]bool{}
	v := o.m.view(true)
	holder := v.holder()
	if holder != nil && readBook(holder) != nil {
		for _, e := range readBook(holder) {
			known[e.SHA256] = true
		}
		if !known[o.current] { // it went with a newer Secret, before anything else told of it
			clear(o.names)
		}
	} else if o.m.auth != nil {
		for _, c := range o.m.auth.Credentials {
			known[c.SHA256] = true
		}
	}
	if holder == nil && v.ours(v.Candidate) { // a key in a candidate alone is nobody's, as far as can be seen
		for _, e := range readBook(v.Candidate) {
			delete(known, e.SHA256)
			maps.DeleteFunc(o.names, func(_ string, hash registry.Digest) bool { return hash == e.SHA256 })
		}
	}
	if holder == nil && o.torn { // of two that auth has, nothing tells which one was published
		clear(o.held)
		clear(o.names)
	}
	maps.DeleteFunc(o.held, func(hash registry.Digest, _ *time.Time) bool { return !known[hash] })
	if holder != nil {
		o.returned(readBook(holder), digest(readKey(holder, v.templateKeys())))
	}
	if o.shaken { // and the numbers of those may come again
		maps.DeleteFunc(o.names, func(_ string, hash registry.Digest) bool { return !known[hash] })
	}
}

// returned follows a Secret that comes into sight again, with a key that works again.
func (o *oracle) returned(book Book, key registry.Digest) {
	if book == nil || key != book[0].SHA256 {
		return
	}
	if key != o.current { // what was published after it went with a Secret that was deleted
		clear(o.held)
		clear(o.names)
		o.current, o.made, o.heard, o.source = key, book[0].IssuedAt, book[0].Request, book[0].Source
		o.shaken = true
	}
	o.held[key] = nil
}

// shortened follows a change of the overlap: what it takes away is gone, what it gives is no promise yet.
func (o *oracle) shortened(from, to time.Duration) {
	for hash, end := range o.held {
		if end != nil && to < from {
			sooner := end.Add(to - from)
			o.held[hash] = &sooner
		}
	}
}
