package checker

import (
	"net/http"
	"time"

	"github.com/theeye-dev/theeye/hack/chaos/history"
)

// answers looks for those that the contract does not know.
func (c *check) answers() {
	lives := c.lives()
	for i := range c.history.Intents {
		intent := &c.history.Intents[i]
		o, ok := c.history.Outcomes[intent.Send]
		if !ok || o.Status == 0 || o.Status == http.StatusServiceUnavailable {
			continue // no answer, or come again: never wrong
		}
		switch {
		case intent.Reason == history.Forged:
			if o.Status != http.StatusUnauthorized && o.Status != http.StatusTooManyRequests {
				c.find(Answer, "request %d with a wrong credential was answered %d %s", intent.Send, o.Status, o.Code)
			}
		case o.Status == http.StatusUnauthorized: // credentials judges
		case intent.Reason == history.Retired && o.Status == http.StatusTooManyRequests: // too many with wrong ones came before
		case o.Code == codeManyFailures && lives[key{intent.Application, intent.Credential}].isNewAt(intent.At): // as before those
		case intent.Malformed:
			if o.Status != http.StatusBadRequest {
				c.find(Answer, "request %d, which cannot be split into events, was answered %d %s", intent.Send, o.Status, o.Code)
			}
		case o.Status != http.StatusAccepted && o.Status != http.StatusUnprocessableEntity:
			c.find(Answer, "request %d (%s) was answered %d %s", intent.Send, intent.Reason, o.Status, o.Code)
		default:
			c.verdicts(intent, o)
		}
	}
}

// verdicts wants one for every event, and none that refuses a correct one, but for the second content of an id.
func (c *check) verdicts(intent *history.Intent, o history.Outcome) {
	if len(o.Verdicts) != len(intent.Items) {
		c.find(Answer, "request %d has %d events and got %d verdicts", intent.Send, len(intent.Items), len(o.Verdicts))
		return
	}
	for n, v := range o.Verdicts {
		item := intent.Items[n]
		again := c.repeated(attempt{intent: intent, item: item})
		switch {
		case v.Code == "" && !item.Valid:
			c.find(Answer, "request %d: what is no event was accepted: %.200s", intent.Send, item.Original())
		case v.Code != "" && item.Valid && !(again && v.Code == codeConflict):
			c.find(Harmed, "request %d: a correct event was refused (%s): %.200s", intent.Send, v.Code, item.Original())
		case v.Code == "" && v.ID != item.ID:
			c.find(Answer, "request %d: the verdict on %s is about %s", intent.Send, item.ID, v.ID)
		}
	}
}

// everywhere is how long after auth's answer a revoked credential may still be taken (promise 5). A new one is good from
// auth's answer on: whoever does not know it yet has to find out before refusing it.
const everywhere = time.Second

// codeManyFailures is what an address is answered that has sent too many wrong credentials, by who does not know the one it
// sends: while wrong ones come, a new one may have to come again until it is known everywhere.
const codeManyFailures = "credential.too_many_failures"

// life is when a credential was issued and revoked; zero: never.
type life struct{ issued, revoking, revoked time.Time }

func (l *life) isNewAt(t time.Time) bool {
	return l != nil && !l.issued.IsZero() && t.Sub(l.issued) < everywhere
}

// lives are those of all credentials.
func (c *check) lives() map[key]*life {
	lives := map[key]*life{}
	for _, step := range c.history.Credentials {
		k := key{step.Application, step.ID}
		if lives[k] == nil {
			lives[k] = &life{}
		}
		switch step.Step {
		case history.Issued:
			lives[k].issued = step.At
		case history.Revoking:
			lives[k].revoking = step.At
		case history.Revoked:
			lives[k].revoked = step.At
		}
	}
	return lives
}

// credentials looks for valid ones that were refused and revoked ones that were taken.
func (c *check) credentials() {
	lives := c.lives()
	for i := range c.history.Intents {
		intent := &c.history.Intents[i]
		o, ok := c.history.Outcomes[intent.Send]
		l := lives[key{intent.Application, intent.Credential}]
		if !ok || l == nil || intent.Reason == history.Forged {
			continue
		}
		valid := !l.issued.IsZero() && intent.At.After(l.issued) && (l.revoking.IsZero() || o.At.Before(l.revoking))
		gone := !l.revoked.IsZero() && intent.At.After(l.revoked.Add(everywhere))
		switch {
		case valid && o.Status == http.StatusUnauthorized:
			c.find(Credential, "request %d was answered 401 with credential %s, which is valid", intent.Send, intent.Credential)
		case gone && (o.Status == http.StatusAccepted || o.Status == http.StatusUnprocessableEntity):
			c.find(Credential, "request %d was taken with credential %s %s after auth had revoked it", intent.Send, intent.Credential, intent.At.Sub(l.revoked))
		}
	}
}
