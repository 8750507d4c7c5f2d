package workload

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/theeye-dev/theeye/hack/chaos/history"
)

// session is where a client is in the session that it sends in order.
type session struct {
	name  string
	begin time.Time
	next  int
	left  int
}

const (
	sessionLength = 20
	// daysBack is how far back sessions may lie: within maxAge, over several partitions.
	daysBack = 5
)

// event makes a new event: of the client's session, whose order is checked, or one without a timestamp.
func (c *client) event() history.Item {
	c.made++
	id := fmt.Sprintf("%d-%d-%d", c.options.Seed, c.number, c.made)
	if c.random.IntN(3) == 0 {
		name := fmt.Sprintf("loose-%d-%d", c.options.Seed, c.random.IntN(20))
		return history.NewItem(id, c.encode(id, name, "", c.data()), true)
	}
	s := &c.place
	if s.left == 0 {
		back := 0
		if c.random.IntN(3) == 0 {
			back = c.random.IntN(daysBack + 1)
		}
		*s = session{
			name: fmt.Sprintf("%d-%d-from-%d", c.options.Seed, c.number, c.made), left: 1 + c.random.IntN(2*sessionLength),
			begin: c.options.Now().UTC().AddDate(0, 0, -back).Add(-time.Minute),
		}
	}
	s.left--
	at := s.begin.Add(time.Duration(s.next) * time.Millisecond)
	item := history.NewItem(id, c.encode(id, s.name, at.Format("2006-01-02T15:04:05.000Z07:00"), c.data()), true)
	item.Session, item.N = s.name, s.next
	s.next++
	return item
}

// otherContent returns another event with the same id, which belongs to no session's order.
func (c *client) otherContent(item history.Item) history.Item {
	c.made++
	data := fmt.Sprintf(`{"other":%d}`, c.made)
	return history.NewItem(item.ID, c.encode(item.ID, fmt.Sprintf("other-%d", c.options.Seed), "", data), true)
}

// encode writes an event by hand: what travels is what the workload meant, to the byte.
func (c *client) encode(id, session, timestamp, data string) []byte {
	var b bytes.Buffer
	b.WriteByte('{')
	if id != "" {
		fmt.Fprintf(&b, `"id":%s,`, quote(id))
	}
	fmt.Fprintf(&b, `"session_id":%s,"category":"page interaction","name":%s`, quote(session), quote(names[c.random.IntN(len(names))]))
	if timestamp != "" {
		fmt.Fprintf(&b, `,"timestamp":%s`, quote(timestamp))
	}
	if data != "" {
		fmt.Fprintf(&b, `,"data":%s`, data)
	}
	b.WriteByte('}')
	return b.Bytes()
}

func quote(s string) string {
	text, _ := json.Marshal(s) //nolint:errchkjson // a string always has a JSON form
	return string(text)
}

// names of events; the last ones are what careless code trips over.
var names = []string{"pageview", "click", "page.view", "größer", "'; DROP TABLE persistence.events; --", "%s%n", "null", " "}

// values are what is hard to keep as it is: numbers beyond a float64's digits, escapes, things that are not what they look
// like. All of it is valid.
var values = []string{
	`0`, `-0`, `0.1`, `1e-300`, `1E+5`, `1e308`, `9007199254740993`, `12345678901234567890.123456789`, `0.00000000000000000001`,
	`1.0`, `100`, `1e2`, `1234567890123456789012345678901234567890123456789012345678901234`,
	`""`, `"\u00e9\ud83d\ude00"`, `"\u2028\u2029\ufeff"`, `"\\u0000"`, `"\"\\\/\b\f\n\r\t"`, `"<script>&amp;"`, `"\u202egnp.exe"`, `"日本語"`,
	`"'; DROP TABLE persistence.events; --"`, `"$1"`, `"\\"`, `"NaN"`, `"2026-01-01"`,
	`null`, `true`, `false`, `[]`, `{}`, `[null,[[]],{"":{"":""}}]`, `{"__proto__":{"a":1},"constructor":null}`, `{"a":1,"A":2,"á":3}`,
}

// large is a text that makes entries of different sizes: a node of a stream's listpack, and more than one TCP segment.
const large = 20_000

// data makes the data of an event; "" is none.
func (c *client) data() string {
	switch c.random.IntN(20) {
	case 0:
		return ""
	case 1:
		return "{}"
	case 2:
		return fmt.Sprintf(`{"text":%s}`, quote(strings.Repeat("large ", c.random.IntN(large)/len("large "))))
	}
	members := []string{fmt.Sprintf(`"n":%d`, c.random.Int64())}
	for i := range c.random.IntN(5) {
		members = append(members, fmt.Sprintf(`"v%d" : %s`, i, values[c.random.IntN(len(values))]))
	}
	return "{" + strings.Join(members, ",") + "}"
}

// invalids are texts that are no event, each for one reason; %s is an id in quotes.
var invalids = []string{
	`{"id":%s,"session_id":"s","category":"c","name":"n","data":{"text":"\u0000"}}`,
	`{"id":%s,"session_id":"s","category":"c","name":"n","data":{"text":"\ud800"}}`,
	`{"id":%s,"session_id":"s","category":"c","name":"n","data":{"a":1,"a":2}}`,
	`{"id":%s,"session_id":"s","category":"c","name":"n","data":{"a":1e309}}`,
	`{"id":%s,"session_id":"s","category":"c","name":"n","data":{"text":"` + "\xff" + `"}}`,
	`{"id":%s,"session_id":"s","category":"c","name":"n","data":[1]}`,
	`{"id":%s,"session_id":"s","category":"c","name":"n","extra":1}`,
	`{"id":%s,"session_id":"s","category":"c"}`,
	`{"id":%s,"session_id":"","category":"c","name":"n"}`,
	`{"id":%s,"session_id":"s","category":"c","name":"n","timestamp":"2001-01-01T00:00:00Z"}`,
	`{"id":%s,"session_id":"s","category":"c","name":"n","timestamp":"2926-01-01T00:00:00Z"}`,
	`{"id":%s,"session_id":"s","category":"c","name":"n","timestamp":"yesterday"}`,
}

// invalid makes an item that is no event, with an id of its own.
func (c *client) invalid() history.Item {
	c.made++
	id := fmt.Sprintf("%d-%d-%d-invalid", c.options.Seed, c.number, c.made)
	return history.NewItem(id, fmt.Appendf(nil, invalids[c.random.IntN(len(invalids))], quote(id)), false)
}

// malformed makes a body that cannot be split into events.
func (c *client) malformed() history.Item {
	c.made++
	id := fmt.Sprintf("%d-%d-%d-malformed", c.options.Seed, c.number, c.made)
	whole := string(c.encode(id, "s", "", "{}"))
	bodies := []string{whole[:len(whole)-1], "[" + whole, "[" + whole + ",]", whole + "}", "", "[]", "{]"}
	return history.NewItem(id, []byte(bodies[c.random.IntN(len(bodies))]), false)
}
