package schema

import (
	"runtime"
	"sync/atomic"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// pauseEvery is after how many schemas that a value was held against others have the processor first: each takes 1 µs, or
// 24 that fail 20, and Go takes the processor from a goroutine only after 10 ms.
//
// Every 4,096, some ms, other processes have it, too: every small request waits for Redis, and Linux takes a processor from
// whoever does not let go of it after some milliseconds only.
const (
	pauseEvery = 32
	restEvery  = 4096
	rest       = 200 * time.Microsecond
)

// pauses is called by the validator for every value and schema, as if it were a keyword of each.
type pauses struct{ calls atomic.Uint32 }

func (p *pauses) Validate(*jsonschema.ValidatorContext, any) {
	switch n := p.calls.Add(1); {
	case n%restEvery == 0:
		time.Sleep(rest) //nolint:forbidigo // it waits for nothing, and less than a context takes to end it
	case n%pauseEvery == 0:
		runtime.Gosched()
	}
}

// pausing has a compiler put a pause into every schema. Of the standard's own schema it then leaves out formats, titles and
// contents: what it compiles was compiled without before.
func pausing(c *jsonschema.Compiler) {
	p := new(pauses)
	c.RegisterVocabulary(&jsonschema.Vocabulary{
		URL:     "urn:theeye:pauses",
		Compile: func(*jsonschema.CompilerContext, map[string]any) (jsonschema.SchemaExt, error) { return p, nil },
	})
	c.AssertVocabs()
}
