package check

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/schema"
)

// declared is a type of event that an application declares.
type declared struct {
	text        registry.Schema // empty: any data
	unavailable bool

	once     sync.Once
	compiled *schema.Schema // nil when the schema is faulty

	named  sync.Once
	digest event.SchemaDigest
}

// same tells whether another declaration says the same.
func (d *declared) same(t *registry.EventType) bool {
	return d != nil && d.unavailable == t.SchemaUnavailable && bytes.Equal(d.text, t.Schema)
}

// schema returns the compiled schema, nil when it is faulty. It is compiled for the first event of its type and not
// before: compiling all that all applications declare would keep a starting replica from its work, and whoever changes
// 128 schemas at once from hearing of revoked credentials.
func (d *declared) schema() *schema.Schema {
	d.once.Do(func() {
		if compiled, err := schema.Compile(d.text); err == nil {
			d.compiled = compiled
		}
	})
	return d.compiled
}

// name is the digest of the schema's text; nil where there is none. It compiles nothing.
func (d *declared) name() *event.SchemaDigest {
	if d == nil || len(d.text) == 0 {
		return nil
	}
	d.named.Do(func() { d.digest = sha256.Sum256(d.text) })
	return &d.digest
}

// refused tells by which schema.
func (d *declared) refused(r *event.Refusal) *event.Refusal {
	r.Schema = d.name()
	return r
}

// data checks an event's data against the schema of its type. An event without data is checked as if it had {}.
func (j *Judge) data(e *event.Event, d *declared, s *schema.Schema) *event.Refusal {
	if j.err != nil {
		return nil
	}
	data := e.Data
	if data == nil {
		data = []byte("{}")
	}
	j.scanner.Reset(data)
	doc, _, _, _ := j.scanner.Scan() // it was scanned without a fault before
	mismatches, err := s.Validate(doc.Root(), &j.account)
	switch {
	case errors.Is(err, schema.ErrTooCostly):
		return d.refused(&event.Refusal{Code: event.CodeTooCostly, Detail: err.Error(), Pointer: "/data"})
	case errors.Is(err, schema.ErrSpent):
		return d.refused(&event.Refusal{Code: event.CodeTooCostly, Detail: err.Error() + "; send fewer events at once", Pointer: "/data"})
	case err != nil:
		j.err = err
	case len(mismatches) > 0:
		return d.refused(mismatch(mismatches))
	}
	return nil
}

// maxDetail is how many bytes tell all of an event's mismatches: each of the 5,000 of a request may have some, and all
// are in the answer and in Failures.
const maxDetail = 500

// mismatch tells the first mismatch, by its own pointer, and after it as many others as there is room for.
func mismatch(found []schema.Mismatch) *event.Refusal {
	const more = "; and more"
	var b strings.Builder
	b.WriteString(told(found[0]))
	for _, m := range found[1:] {
		next := fmt.Sprintf("; /data%s %s", m.Pointer, told(m))
		if b.Len()+len(next)+len(more) > maxDetail {
			b.WriteString(more)
			break
		}
		b.WriteString(next)
	}
	return &event.Refusal{Code: event.CodeSchemaMismatch, Detail: b.String(), Pointer: "/data" + found[0].Pointer}
}

// told is a mismatch in words: the schema's keyword first.
func told(m schema.Mismatch) string { return m.Keyword + ": " + m.Detail }
