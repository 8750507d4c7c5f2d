package persistence

// The weight of a row is how many bytes it has in an answer, or some more: what has a fixed form is counted as if all of it
// were there. So a page is bounded as it is answered, and nothing is encoded twice to know it.

// What rows have beside their texts: the names of their fields, times, UIDs and what belongs to JSON.
const (
	eventFrame   = 640
	failureFrame = 800
	attemptFrame = 160
	sessionFrame = 220
	replayFrame  = 600
	countFrame   = 180
	uidBytes     = len(`"00000000-0000-0000-0000-000000000000",`)
	countBytes   = len(`"":,`) + 20 // a name, and digits of an int64
)

// escaped is how many bytes a text has in JSON, without its quotes.
func escaped[Text string | []byte](text Text) int {
	n := len(text)
	for i := range len(text) {
		switch c := text[i]; {
		case c == '"' || c == '\\' || c == '\b' || c == '\f' || c == '\n' || c == '\r' || c == '\t':
			n++
		case c < ' ':
			n += len(`\u0001`) - 1
		case c == 0xe2 && i+2 < len(text) && text[i+1] == 0x80 && text[i+2]|1 == 0xa9: // U+2028 and U+2029
			n += len(`\u2028`) - 3
		}
	}
	return n
}

func escapedAll(texts ...string) (n int) {
	for _, text := range texts {
		n += escaped(text) + len(`"",`)
	}
	return n
}

func (e *Event) weight() int {
	return eventFrame + escapedAll(e.ID, e.SessionID, e.Category, e.Name, e.Type, e.Credential, e.Cursor) + len(e.Data) + len(e.Attributes)
}

func (f *Failure) weight() int {
	n := failureFrame + escapedAll(f.Credential, f.EventID, f.Code, f.Detail) + escapedAll(f.Pointers...) + len(f.Schema)
	if f.Original != nil {
		n += escaped(*f.Original)
	}
	n += (len(f.OriginalBase64) + 2) / 3 * 4
	if f.Attempt != nil {
		n += f.Attempt.weight()
	}
	for i := range f.Attempts {
		n += f.Attempts[i].weight()
	}
	return n
}

func (a *Attempted) weight() int {
	return attemptFrame + escapedAll(a.Code, a.Detail) + escapedAll(a.Pointers...)
}

func (s *SessionSummary) weight() int {
	return sessionFrame + escaped(s.SessionID) + uidBytes*len(s.Applications)
}

func (c *Count) weight() int { return countFrame + escapedAll(c.Category, c.Name, string(c.Outcome)) }

func (r *Replay) weight() int {
	n := replayFrame + escapedAll(r.Code, r.Stage)
	for _, counts := range []map[string]int64{r.Outcomes, r.Codes} {
		for name := range counts {
			n += escaped(name) + countBytes
		}
	}
	return n
}
