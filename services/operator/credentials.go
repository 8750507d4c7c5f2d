package operator

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/api/v1alpha1"
)

// credentials is what a View tells about an Application's credentials.
//
//	pending ──publish──▶ current ──replaced──▶ previous ──deadline──▶ gone
//
// At most two are known to auth at any moment: a new one waits until the one before the last has ended, unless the
// current one is lost, which no client can be given any more.
type credentials struct {
	// current is what the Secret has, or had; nil: there never was one. Its key is "" when nobody has it any more.
	current *Entry
	key     string
	// previous is the one before, still valid until its NotAfter.
	previous *Entry
	// pending is the candidate, in a Secret of its own until auth knows it.
	pending    *Entry
	pendingKey string

	due     bool      // a new one is needed now
	dueAt   time.Time // else: when one will be; zero: never by itself
	request string    // the value of theeye.dev/rotate that a new one answers
	fresh   string    // the key that a new one has; "": one is generated
	source  string    // where fresh comes from
	nextID  string

	blocked, message string // why none can be had: reason and message
}

// credentialsOf reads them from a View.
func credentialsOf(v *View) credentials {
	c := credentials{request: requestOf(v.Application), source: v.Application.ExistingSecret()}
	c.readIssued(v)
	c.endPrevious(v)
	if c.source != "" {
		c.fresh, c.blocked, c.message = v.existingKey()
		if c.fresh != "" && c.current != nil && digest(c.fresh) == c.current.SHA256 {
			c.key, c.current.Source = c.fresh, c.source // the Secret may have lost both
		}
	}
	c.keepClear(v, v.Issued)
	c.readCandidate(v)
	c.schedule(v)
	if c.due { // else nobody needs the name
		c.keepClear(v, v.Candidate)
	}
	c.nextID = c.unusedID(v)
	return c
}

// returns tells whether the existing Secret has the previous key again. It gets a new id, and keeps the old one until auth
// knows the new: no moment goes by without it.
func (c *credentials) returns(known *Entry) bool {
	return known != nil && known == c.previous && c.fresh != "" && digest(c.fresh) == known.SHA256
}

// keepClear has nothing made while a Secret of the name that it needs belongs to somebody else.
func (c *credentials) keepClear(v *View, secret *corev1.Secret) {
	if v.foreign(secret) {
		c.blocked, c.message = v1alpha1.ReasonSecretTaken, "the Secret "+secret.Name+" belongs to somebody else; remove it, choose another "+
			"secretName, or give it the annotation "+v1alpha1.AdoptAnnotation+": "+v.Application.Name+
			" (its content is overwritten, and one of another type is replaced)"
	}
}

// readIssued finds current and previous: in the Secret's book, else, when that was lost, in auth's record.
func (c *credentials) readIssued(v *View) {
	book, key := Book(nil), ""
	if holder := v.holder(); holder != nil {
		book, key = readBook(holder), readKey(holder, v.templateKeys())
		if book != nil && digest(key) != book[0].SHA256 { // it may be there under another name that the template had, or has
			key = cmp.Or(book[0].findKey(holder), key)
		}
	}
	if book == nil {
		book = rebuild(v, key)
	}
	book.notAhead(v.Now, v.Application.RotationOverlap())
	if len(book) > 0 {
		c.current = &book[0]
		if digest(key) == book[0].SHA256 {
			c.key = key
		}
	}
	if len(book) > 1 {
		c.previous = &book[1]
	}
}

// rebuild makes a book from auth's record: the credential of a key that is still there comes first, else the newest.
func rebuild(v *View, key string) Book {
	if v.Auth == nil {
		return nil
	}
	var book, next Book
	if v.ours(v.Candidate) {
		next = readBook(v.Candidate) // auth may know it, and nobody has it yet
	}
	for _, known := range v.Auth.Credentials {
		if len(next) > 0 && known.SHA256 == next[0].SHA256 && known.SHA256 != digest(key) {
			continue
		}
		if known.NotAfter == nil || v.Now.Before(*known.NotAfter) {
			book = append(book, Entry{
				ID: known.ID, SHA256: known.SHA256, IssuedAt: issuedAt(v, known.ID), NotAfter: known.NotAfter,
				Request: requestOf(v.Application), // as far as anyone knows it was heard
			})
		}
	}
	slices.SortStableFunc(book, func(a, b Entry) int {
		return cmp.Or(
			trueFirst(a.SHA256 == digest(key), b.SHA256 == digest(key)),
			trueFirst(a.NotAfter == nil, b.NotAfter == nil),
			cmp.Compare(number(b.ID), number(a.ID)),
		)
	})
	if len(book) > 2 {
		book = book[:2]
	}
	if len(book) == 2 && book[1].NotAfter == nil { // replaced, and its deadline never reached auth
		book[1].NotAfter = after(v.Now, v.Application.RotationOverlap())
	}
	return book
}

func trueFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

// issuedAt is when a credential whose book is lost was made, as far as anyone knows: never so that it seems too old.
func issuedAt(v *View, id string) time.Time {
	for _, s := range v.Application.Status.Credentials {
		if s.ID == id && s.IssuedAt != nil {
			return s.IssuedAt.Time
		}
	}
	return v.Now
}

// endPrevious sets the deadline of the previous one by the overlap of now, and drops it past that.
func (c *credentials) endPrevious(v *View) {
	if c.previous == nil {
		return
	}
	e := *c.previous
	if e.ReplacedAt != nil {
		e.NotAfter = after(*e.ReplacedAt, v.Application.RotationOverlap())
	}
	c.previous = &e
	if !v.Now.Before(*e.NotAfter) {
		c.previous = nil
	}
}

// readCandidate takes a candidate that is whole, new, and what the spec wants it to be.
func (c *credentials) readCandidate(v *View) {
	if !v.ours(v.Candidate) {
		return
	}
	book, key := readBook(v.Candidate), readKey(v.Candidate, nil)
	if book == nil || digest(key) != book[0].SHA256 || book[0].Source != c.source || c.source != "" && key != c.fresh {
		return
	}
	for _, known := range []*Entry{c.current, c.previous} {
		if known != nil && (known.ID == book[0].ID || known.SHA256 == book[0].SHA256 && !c.returns(known)) {
			return
		}
	}
	c.pending, c.pendingKey = &book[0], key
}

// schedule says whether a new credential is needed, or when.
func (c *credentials) schedule(v *View) {
	switch {
	case c.pending != nil: // it is on its way
	case c.source != "":
		c.due = c.fresh != "" && (c.current == nil || digest(c.fresh) != c.current.SHA256)
	case c.current == nil || c.key == "": // nobody can be given it: at once
		c.due = true
	default:
		c.due, c.dueAt = c.age(v)
		if c.due && c.previous != nil { // two are live: the older one is still somebody's
			c.due, c.dueAt = false, *c.previous.NotAfter
		}
	}
	admitted := c.pending != nil && v.Auth != nil && find(v.Auth, c.pending.ID) != nil
	if c.pending != nil && c.blocked == "" && (admitted || !c.returns(c.previous)) {
		c.previous = nil // a third is never live: only what is lost replaces both
	}
}

// age says whether a whole credential is to be replaced: on demand, by its origin, or by age.
func (c *credentials) age(v *View) (due bool, at time.Time) {
	if c.request != "" && c.request != c.current.Request || c.current.Source != "" || c.current.NotAfter != nil {
		return true, v.Now
	}
	interval := v.Application.RotationInterval()
	if interval <= 0 {
		return false, time.Time{}
	}
	at = c.current.IssuedAt.Add(interval)
	return !v.Now.Before(at), at
}

// unusedID is the number after all that were ever seen.
func (c *credentials) unusedID(v *View) string {
	highest := int64(0)
	for _, e := range []*Entry{c.current, c.previous, c.pending} {
		if e != nil {
			highest = max(highest, number(e.ID))
		}
	}
	if v.Auth != nil {
		for _, known := range v.Auth.Credentials {
			highest = max(highest, number(known.ID))
		}
	}
	for _, s := range v.Application.Status.Credentials {
		highest = max(highest, number(s.ID))
	}
	return strconv.FormatInt(highest+1, 10)
}

// live are the credentials that auth should have before the candidate is added, in the order in which clients need them.
func (c *credentials) live() []registry.Credential {
	var live []registry.Credential
	for _, e := range []*Entry{c.current, c.previous} {
		if e != nil {
			live = append(live, registry.Credential{ID: e.ID, SHA256: e.SHA256, NotAfter: e.NotAfter})
		}
	}
	return live
}

// book is what the Secret's annotation should say now.
func (c *credentials) book() Book {
	book := Book{*c.current}
	if c.previous != nil {
		book = append(book, *c.previous)
	}
	return book
}

// renewed is what it should say once the candidate is in the Secret.
func (c *credentials) renewed(now time.Time, overlap time.Duration) Book {
	book := Book{*c.pending}
	if c.current != nil && overlap > 0 {
		replaced := *c.current
		if end := after(now, overlap); replaced.NotAfter == nil || end.Before(*replaced.NotAfter) {
			replaced.ReplacedAt, replaced.NotAfter = &now, end
		}
		book = append(book, replaced)
	}
	return book
}

func after(t time.Time, d time.Duration) *time.Time {
	end := second(t.Add(d))
	return &end
}
