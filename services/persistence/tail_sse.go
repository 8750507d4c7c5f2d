package persistence

import (
	"bytes"
	"fmt"
	"net/http"
	"time"

	"github.com/theeye-dev/theeye/services/internal/fault"
)

const (
	// reconnect is what clients are asked to wait before they come back, in milliseconds.
	reconnect = 1000
	// sseBuffer is how much is collected for one write.
	sseBuffer = 64 << 10
)

// The types of server-sent events beside the outcomes.
const (
	sseMissed = "missed" // some outcomes are not told
	sseEnd    = "end"    // and why: a problem document
)

// Missed is what a listener is told instead of outcomes.
type Missed struct {
	Reason string `json:"reason"`
	// Count of outcomes, of all applications and not only of those asked for; 0: not known, or not for this listener, who
	// may read one application only.
	Count int64 `json:"count,omitempty"`
}

// The reasons.
const (
	missedSlow = "slow" // the listener took less than came
	missedLate = "late" // what followed the Last-Event-ID is not kept any more
	missedLost = "lost" // a replica could not announce what it had stored
)

// events writes server-sent events. The first error stays, and ends all writing.
type events struct {
	writer  http.ResponseWriter
	control *http.ResponseController
	counted bool
	seal    *seal
	buffer  bytes.Buffer
	last    place
	err     error
}

// begin sends the header, and so tells that it is listened from here on. Who is new is given where to go on if the stream
// breaks before they are told anything; who comes back, for nil, has such a place.
func (e *events) begin(at *place) {
	fmt.Fprintf(&e.buffer, "retry: %d\n", reconnect)
	if at != nil {
		e.place(*at)
	}
	e.buffer.WriteByte('\n')
}

// taken writes what a listener has got.
func (e *events) taken(got taken) {
	if got.unknown {
		e.missed(Missed{Reason: missedLate})
	}
	if got.missed > 0 {
		e.missed(Missed{Reason: missedSlow, Count: got.missed})
	}
	for i := range got.messages {
		m := &got.messages[i]
		e.place(m.place)
		if m.lost > 0 {
			e.missed(Missed{Reason: missedLost, Count: m.lost})
		} else {
			e.event(string(m.Outcome), m.told)
		}
		if e.buffer.Len() > sseBuffer && e.flush() != nil {
			return
		}
	}
}

// place moves where the listener would go on.
func (e *events) place(at place) {
	e.last = at
	if id := e.seal.id(at); id != "" {
		fmt.Fprintf(&e.buffer, "id: %s\n", id)
	}
}

func (e *events) missed(m Missed) {
	if !e.counted {
		m.Count = 0
	}
	text, _ := marshal(m)
	e.event(sseMissed, text)
}

func (e *events) event(kind string, data []byte) {
	fmt.Fprintf(&e.buffer, "event: %s\ndata: %s\n\n", kind, data)
}

// heartbeat shows that the connection lives, and moves the place. An event without data is none to its receiver but for its id.
func (e *events) heartbeat(at place) {
	e.buffer.WriteString(": here\n")
	if e.last.before(at) {
		e.place(at)
	}
	e.buffer.WriteByte('\n')
}

// end tells why there is nothing more.
func (e *events) end(p fault.Problem) {
	text, _ := marshal(p)
	e.event(sseEnd, text)
	_ = e.flush()
}

// flush sends what was written, with some patience.
func (e *events) flush() error {
	if e.err != nil || e.buffer.Len() == 0 {
		return e.err
	}
	_ = e.control.SetWriteDeadline(time.Now().Add(writePatience)) // without it the server's own holds
	if _, e.err = e.writer.Write(e.buffer.Bytes()); e.err == nil {
		e.err = e.control.Flush()
	}
	e.buffer.Reset()
	return e.err
}
