package attack

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/theeye-dev/theeye/api/registry"
)

// kind is one sort of request. None of them has an event that may be stored.
type kind struct {
	name string
	make func(random *rand.Rand, key string) sent
}

type sent struct {
	key, coding, body string
	chunked           bool
	event             bool // a CloudEvent in binary mode, whose data the body is
}

const (
	depth     = 100_000
	largeBody = 10_000_000
	bombBody  = 16 << 20
)

var requests = []kind{ //nolint:gochecknoglobals // a constant
	{"bad JSON", func(r *rand.Rand, key string) sent { return sent{key: key, body: badJSON(r)} }},
	{"gzip bombs", func(_ *rand.Rand, key string) sent { return sent{key: key, coding: "gzip", body: gzipBomb()} }},
	{"zstd bombs", func(_ *rand.Rand, key string) sent { return sent{key: key, coding: "zstd", body: zstdBomb()} }},
	{"10 MB bodies", func(r *rand.Rand, key string) sent {
		return sent{key: key, body: large(), chunked: r.IntN(2) == 0}
	}},
	{"4 MB of short values", func(_ *rand.Rand, key string) sent { return sent{key: key, body: values()} }},
	{"binary CloudEvents", func(_ *rand.Rand, key string) sent { return sent{key: key, body: values(), event: true} }},
	{"deep nesting", func(r *rand.Rand, key string) sent { return sent{key: key, body: nested(r)} }},
	{"wrong keys", func(r *rand.Rand, _ string) sent {
		return sent{key: fmt.Sprintf("eye_live_%024x_%064x", r.Uint64(), r.Uint64()), body: event(`"data":{}`)}
	}},
	{"costly checks", func(r *rand.Rand, key string) sent { return sent{key: key, body: costly(r)} }},
}

func event(members string) string {
	return `{"session_id":"flood","category":"flood","name":"hostile",` + members + `}`
}

// Policy is the hostile application's: of every element of data.a of the flood's events it finds 24 things wrong.
func Policy() registry.Policy {
	const wrong = `{"type":"string"}`
	schema := `{"properties":{"a":{"items":{"allOf":[` + strings.Repeat(wrong+",", 23) + wrong + `]}}}}`
	return registry.Policy{EventTypes: []registry.EventType{{Category: "flood", Name: "hostile", Schema: registry.Schema(schema)}}}
}

// costly is small, and costs much to check: up to the most that a check may hold, and beyond.
func costly(r *rand.Rand) string {
	return event(`"data":{"a":[` + strings.Repeat("1,", 500+r.IntN(3000)) + `1]}`)
}

// badJSON is cut, or has what jsonb cannot keep.
func badJSON(r *rand.Rand) string {
	whole := event(fmt.Sprintf(`"data":{"n":%d,"text":"%s"}`, r.Uint64(), strings.Repeat("x", r.IntN(2000))))
	switch r.IntN(5) {
	case 0:
		return whole[:1+r.IntN(len(whole)-1)]
	case 1:
		return event(`"data":{"a":"\u0000"}`)
	case 2:
		return event(`"data":{"a":1,"a":2}`)
	case 3:
		return event("\"data\":{\"a\":\"\xff\"}")
	}
	return "[" + strings.Repeat(event(`"colour":"red"`)+",", r.IntN(50)) + event(`"name":1`) + "]"
}

// nested is open everywhere, or closed: an event that is too deep.
func nested(r *rand.Rand) string {
	if r.IntN(2) == 0 {
		return strings.Repeat("[", depth)
	}
	return event(`"data":{"a":` + strings.Repeat("[", depth) + strings.Repeat("]", depth) + "}")
}

var large = sync.OnceValue(func() string { return strings.Repeat(" ", largeBody) }) //nolint:gochecknoglobals // made once

// values cost most memory for their bytes, and are no events.
var values = sync.OnceValue(func() string { //nolint:gochecknoglobals // made once
	one := "[" + strings.Repeat("1,", 500_000) + "1]"
	return "[" + one + "," + one + "," + one + "," + one + "]"
})

var gzipBomb = sync.OnceValue(func() string { //nolint:gochecknoglobals // made once
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(make([]byte, bombBody)) // a buffer takes everything
	_ = w.Close()
	return b.String()
})

var zstdBomb = sync.OnceValue(func() string { //nolint:gochecknoglobals // made once
	w, err := zstd.NewWriter(nil)
	if err != nil {
		return ""
	}
	return string(w.EncodeAll(make([]byte, bombBody), nil))
})
