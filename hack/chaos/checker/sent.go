package checker

import (
	"net/http"

	"github.com/theeye-dev/theeye/hack/chaos/history"
)

// Fate is what a client knows of one event of one request.
type fate int

const (
	doubtful fate = iota // no answer, or one that says that it may or may not be stored: zero or one rows
	accepted             // answered 202 with the verdict accepted
	rejected             // answered with a verdict that refuses it: a Failure
	refused              // refused with its whole request: no row, no Failure
)

// attempt is one event of one request.
type attempt struct {
	intent *history.Intent
	item   history.Item
	fate   fate
	code   string // of a rejected one
	means  content
}

// attempts are all that were made with one id.
type attempts struct {
	all []attempt
}

func (a *attempts) of(f fate) (found []attempt) {
	for _, one := range a.all {
		if one.fate == f {
			found = append(found, one)
		}
	}
	return found
}

// index sorts what was sent by application and id.
func index(h history.History) map[key]*attempts {
	sent := map[key]*attempts{}
	for i := range h.Intents {
		intent := &h.Intents[i]
		outcome, answered := h.Outcomes[intent.Send]
		for n, item := range intent.Items {
			a := attempt{intent: intent, item: item}
			a.fate, a.code = judge(intent, outcome, answered, n)
			if item.Valid {
				a.means, _ = contentOf(item.Original()) // the workload's own
			}
			k := key{intent.Application, item.ID}
			if sent[k] == nil {
				sent[k] = &attempts{}
			}
			sent[k].all = append(sent[k].all, a)
		}
	}
	return sent
}

// judge says what the answer to a request means for its nth event. 503 and 408 may hide a lost answer of Redis.
func judge(intent *history.Intent, o history.Outcome, answered bool, n int) (fate, string) {
	switch {
	case !answered, o.Status == 0, o.Status >= http.StatusInternalServerError, o.Status == http.StatusRequestTimeout:
		return doubtful, ""
	case o.Status != http.StatusAccepted && o.Status != http.StatusUnprocessableEntity:
		return refused, ""
	case len(o.Verdicts) != len(intent.Items):
		return doubtful, "" // answers finds it
	case o.Verdicts[n].Code != "":
		return rejected, o.Verdicts[n].Code
	}
	return accepted, ""
}
