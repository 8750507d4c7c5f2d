package persistence

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/services/internal/fault"
)

// widen adds applications until they are in more namespaces than are asked about one by one.
func (c *court) widen() {
	c.Helper()
	for n := range maxNamespaces {
		c.add(fmt.Sprintf("w%03d", n), n)
	}
	c.followed(maxNamespaces - 1)
}

// TestOneOfAWideCluster: one Failure and one replay are for whoever may do something with their application, however many
// namespaces there are; so it is for who may by the application's name alone.
func TestOneOfAWideCluster(t *testing.T) {
	t.Parallel()
	c := newCourt(t)
	c.fill()
	c.widen()
	lost := c.refuse(bygone, refused("{}", "field.missing"))[0]
	others := c.refuse(blog, refused("{}", "field.missing"))[0]
	editor, named, nothing := c.person("editor"), c.person("named"), c.person("nothing")
	c.grant("editor", c.home, verbs())
	c.grant("named", c.home, verbs(), "web-shop")
	replay := func(q Query) string { return "/v1/replays/" + c.begin(c.reader.Replays, q).ID.String() }
	dry, running, away, everybodys := replay(Query{Application: shop, DryRun: true}), replay(Query{Application: shop}), replay(Query{Application: blog}), replay(Query{})
	first, second := "/v1/failures/"+c.failures[0], "/v1/failures/"+c.failures[1]
	for name, e := range map[string]struct{ token, failure string }{"by namespace": {editor, first}, "by name": {named, second}} {
		for _, asked := range []struct {
			question string
			want     int
		}{
			{"/v1/failures", 400},
			{"/v1/replays", 400},
			{e.failure, 200},
			{"POST " + e.failure + "/replay?dry_run=true", 200},
			{"POST " + e.failure + "/replay", 200},
			{"POST " + e.failure + "/discard", 204},
			{dry, 200},
			{running, 200},
			{"POST " + dry + "/cancel", 200},
			{"POST " + running + "/cancel", 200},
			{away, 404},
			{"POST " + away + "/cancel", 404},
			{everybodys, 404},
			{"POST " + everybodys + "/cancel", 404},
			{"/v1/failures/" + others.String(), 404},
			{"/v1/failures/" + lost.String(), 404},
			{"POST /v1/failures/" + others.String() + "/discard", 404},
			{"/v1/failures/" + uuid.NewString(), 404},
			{"/v1/failures/x", 404},
			{"/v1/replays/" + uuid.NewString(), 404},
		} {
			if status, _, body := c.answer(c.url, e.token, asked.question); status != asked.want {
				t.Errorf("%s: %s is answered %d %.300s, want %d", name, asked.question, status, body, asked.want)
			}
		}
	}
	for _, question := range []string{first, running, "POST " + first + "/discard"} {
		if status, _, body := c.answer(c.url, nothing, question); status != http.StatusNotFound {
			t.Errorf("who may nothing asks %s: %d %.300s", question, status, body)
		}
	}
	for _, token := range []string{editor, named, nothing} {
		c.alikeOnes(token, others.String(), away)
	}
}

// alikeOnes holds what is somebody else's against what is not there: once when nothing is remembered, and once when what
// was asked about its application is.
func (c *court) alikeOnes(token, failure, replay string) {
	c.Helper()
	for path, there := range map[string]string{
		"/v1/failures/%s": failure, "POST /v1/failures/%s/replay": failure, "POST /v1/failures/%s/discard": failure,
		"/v1/replays/%s": strings.TrimPrefix(replay, "/v1/replays/"), "POST /v1/replays/%s/cancel": strings.TrimPrefix(replay, "/v1/replays/"),
	} {
		c.alike("somebody", token, path, there, uuid.NewString())
	}
}

// TestOneIsNotTold: whether a Failure or a replay of others is there shows in nothing, where all namespaces are asked about.
func TestOneIsNotTold(t *testing.T) {
	t.Parallel()
	c := newCourt(t)
	c.fill()
	home, nothing := c.person("home"), c.person("nothing")
	c.grant("home", c.home, []Verb{VerbGet, VerbList})
	failures := c.refuse(blog, refused("{}", "field.missing"), refused("[]", "field.missing"))
	unreadable := c.entry()
	unreadable.Batch = []byte("no batch")
	c.storeEntries(unreadable)
	nobodys := c.lines("SELECT sequence::text FROM persistence.failures WHERE application IS NULL")[0]
	replay := "/v1/replays/" + c.begin(c.reader.Replays, Query{Application: blog}).ID.String()
	for _, token := range []string{home, nothing} {
		c.alikeOnes(token, failures[0].String(), replay)
		c.alikeOnes(token, nobodys, "/v1/replays/"+c.begin(c.reader.Replays, Query{}).ID.String())
	}
	c.forget()
	for i, want := range []int64{0, 1} { // one question in any case that was never asked before
		c.answer(c.url, home, "/v1/failures/"+failures[0].String())
		before := c.asked.Load()
		id := failures[i].String()
		if status, _, _ := c.answer(c.url, home, "/v1/failures/"+id); status != http.StatusNotFound || c.asked.Load()-before != want {
			t.Errorf("the %dth of an application that was just asked about: %d by %d questions, want %d", i, status, c.asked.Load()-before, want)
		}
	}
	if status, _, body := c.answer(c.url, adminToken, "/v1/failures/"+nobodys); status != http.StatusOK {
		t.Errorf("nobody's, for who may everything: %d %s", status, body)
	}
}

// TestWhoMayCancel: a dry run is ended by whoever has begun it, and by who may update; whoever else may list it may not.
func TestWhoMayCancel(t *testing.T) {
	t.Parallel()
	c := newCourt(t)
	c.fill()
	ann, bob, editor := c.person("ann"), c.person("bob"), c.person("editor")
	c.grant("ann", c.home, []Verb{VerbGet, VerbList})
	c.grant("bob", c.home, []Verb{VerbGet, VerbList})
	c.grant("editor", c.home, []Verb{VerbList, VerbUpdate})
	begin := func(token string) string {
		status, _, body := c.answer(c.url, token, "POST /v1/replays?dry_run=true&application="+shop.String())
		var replay Replay
		if err := json.Unmarshal(body, &replay); err != nil || status != http.StatusAccepted || !replay.Yours {
			t.Fatalf("%d %s", status, body)
		}
		return replay.ID.String()
	}
	anns, shops := begin(ann), begin(c.keys[shop])
	for _, asked := range []struct {
		who, token, id string
		yours          bool
		want           string
	}{
		{"bob", bob, anns, false, "update!"},
		{"the application", c.keys[shop], anns, false, "update!"},
		{"another application", c.keys[blog], anns, false, "404"},
		{"ann", ann, shops, false, "update!"},
		{"ann", ann, anns, true, "S"},
		{"the application", c.keys[shop], shops, true, "S"},
		{"an editor", editor, begin(ann), false, "S"},
		{"the admin", adminToken, begin(ann), false, "S"},
	} {
		_, _, body := c.answer(c.url, asked.token, "/v1/replays/"+asked.id)
		if yours := strings.Contains(string(body), `"yours":true`); yours != asked.yours {
			t.Errorf("%s sees %s", asked.who, body)
		}
		c.expect(c.url, asked.who, asked.token, "POST /v1/replays/"+asked.id+"/cancel", asked.want)
	}
}

// TestAccessOfAWideCluster tells of each verb what can be told of it.
func TestAccessOfAWideCluster(t *testing.T) {
	t.Parallel()
	c := newCourt(t)
	c.widen()
	reader, editor := c.person("reader"), c.person("editor")
	reading := []Verb{VerbGet, VerbList, VerbWatch}
	c.grant("reader", "", reading)
	c.grant("editor", c.home, verbs())
	got := func(token, query string) (a Access) {
		status, _, body := c.answer(c.url, token, "/v1/access"+query)
		if err := json.Unmarshal(body, &a); err != nil || status != http.StatusOK {
			t.Fatalf("%d %s", status, body)
		}
		return a
	}
	a := got(reader, "")
	if c.same("unlisted", []Verb{VerbUpdate, VerbDelete}, a.Unlisted); !a.All || len(a.Applications) != maxNamespaces+4 {
		t.Errorf("who reads everything is told of %d applications, all %t", len(a.Applications), a.All)
	}
	if slices.ContainsFunc(a.Applications, func(g Grant) bool { return !slices.Equal(g.Verbs, reading) }) {
		t.Errorf("%+v", a.Applications)
	}
	a = got(editor, "")
	c.same("unlisted", verbs(), a.Unlisted)
	c.same("applications", []Grant{}, a.Applications)
	a = got(editor, "?application="+shop.String())
	c.same("of one", []Grant{{UID: shop, Namespace: c.home, Name: "web-shop", Verbs: verbs()}}, a.Applications)
	c.same("of one", 0, len(a.Unlisted))
	status, _, body := c.answer(c.url, editor, "/v1/events")
	var problem fault.Problem
	if _ = json.Unmarshal(body, &problem); status != http.StatusBadRequest || problem.Code != fault.CodeTooWide {
		t.Errorf("%d %s", status, body)
	}
}
