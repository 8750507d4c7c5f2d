package persistence

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/services/internal/fault"
	"github.com/theeye-dev/theeye/services/internal/kube"
)

// TestPeopleHearTheirPart: outcomes of the applications that a person may watch, new ones too, and of no others; until
// the permission is taken away, which ends this stream and no other.
func TestPeopleHearTheirPart(t *testing.T) {
	t.Parallel()
	c := newCourt(t)
	token := c.person("home")
	binding := c.grant("home", c.home, []Verb{VerbWatch})
	c.person("named")
	c.grant("named", c.home, []Verb{VerbWatch}, "web-shop")
	part, named := c.stream(c.url, token, "", ""), c.stream(c.url, c.cluster.Token(t, c.home, "named", ""), "application="+shop.String(), "")
	all := c.stream(c.url, adminToken, "", "")
	c.mark(blog, "not to be heard")
	c.mark(shop, "first")
	c.same("the part", []string{"stored first"}, part.told(1))
	c.same("one", []string{"stored first"}, named.told(1))
	c.same("all", []string{"stored not to be heard", "stored first"}, all.told(2))

	young := uuid.New()
	c.move(young, c.home, "young")
	c.until("the part has grown, when the right was looked at again", func() bool {
		c.insert(c.request(young, item("young", "mark", "")))
		select {
		case e := <-part.events:
			return strings.Contains(e.data, young.String())
		default:
			return false
		}
	})

	c.must(c.cluster.Client(t).Delete(t.Context(), binding))
	c.permitted("home", VerbWatch.permission(c.home, ""), false)
	begin := time.Now()
	c.forget()
	last := part.end()
	if last.kind != sseEnd || !strings.Contains(last.data, `"permission.denied"`) || !strings.Contains(last.data, "watch on applications/events") {
		t.Errorf("the last word was %+v", last)
	}
	if took := time.Since(begin); took > recheckPeople+stalled {
		t.Errorf("it took %s, and what is remembered is so for %s", took, kube.GrantedFor)
	}
	c.mark(shop, "after")
	c.same("one", []string{"stored after"}, named.told(1))
}

// end waits for the last word.
func (s *listener) end() (last received) {
	s.a.Helper()
	for e, ok := s.next(); ok; e, ok = s.next() {
		last = e
	}
	return last
}

// TestAnExportWaitsForItsRight to be known, and for nothing else.
func TestAnExportWaitsForItsRight(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err   error
		times int // that it is answered
		asked int
		want  fault.Code
	}{
		"there":            {nil, 1, 1, ""},
		"there in the end": {fault.New(fault.CodeUnavailable, "away"), 3, 4, ""},
		"never known":      {fault.New(fault.CodeUnavailable, "away"), 1000, int(exportSilence / askPause), fault.CodeUnavailable},
		"taken away":       {fault.New(fault.CodeForbidden, "no"), 1000, 1, fault.CodeForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				asked := 0
				err := insist(t.Context(), func() error {
					if asked++; asked <= c.times {
						return c.err
					}
					return nil
				})
				if (err == nil) != (c.want == "") || err != nil && fault.ProblemOf(err).Code != c.want || asked < c.asked-1 || asked > c.asked+1 {
					t.Errorf("asked %d times: %v", asked, err)
				}
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				if c.want == fault.CodeUnavailable && insist(ctx, func() error { return c.err }) == nil {
					t.Error("it goes on when its client has gone")
				}
			})
		})
	}
}

// TestExportEndsWithItsRight: between two pages it is looked at again.
func TestExportEndsWithItsRight(t *testing.T) {
	t.Parallel()
	c := newCourt(t)
	c.fill()
	token := c.person("home")
	c.grant("home", c.home, []Verb{VerbList})
	request := bearing(t, token, "/v1/export")
	q, err := c.reader.decodeExport(t.Context(), request)
	c.must(err)
	if _, err := q.again(t.Context(), q.scope()); err != nil {
		t.Errorf("it has not ended: %v", err)
	}
	c.dismiss("home", token)
	if _, err := q.again(t.Context(), q.scope()); err == nil {
		t.Error("it goes on")
	}
}
