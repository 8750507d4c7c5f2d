package check

import (
	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/api/event/jsonb"
)

var errReserved = &event.Refusal{
	Code: event.CodeConflict, Detail: "ids that begin with public: are those of web pages' events, which have no secret", Pointer: "/id",
}

// Decode reads an event strictly, and gives it the id that it has by who sent it: public says that the client id came
// alone, without a credential. A refused event still tells its id where it could be read.
func Decode(doc *jsonb.Doc, format event.Format, public bool) (event.Event, *event.Refusal) {
	e, refusal := format.Decode(doc, true)
	e.Forget()
	switch {
	case public:
		e.ID = event.PublicID(e.ID)
	case refusal == nil && event.Reserved(e.ID):
		refusal = errReserved
	}
	return e, refusal
}
