package persistence

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/apikey"
	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/fault"
	"github.com/theeye-dev/theeye/services/internal/kube"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// whoMayRead is who may do what. In a cell are the applications whose data is in the answer (S: web-shop, B: web-log, L: one
// that is deleted, I: one that is suspended), or ok where there is none to see (retention is of all); a ~ where the answer says that
// it is the permitted part; with ! the verb, or the scope, that a 403 says is missing; else the status.
//
// list, session and watch name no application. The others name web-shop in the namespace home, web-log in another one,
// the deleted one, one that never was by UID, and by name elsewhere and at home. A Failure of web-shop is got, replayed for
// the look of it, and discarded: for this what is given for it by name suffices; replay-all names no application. never is the usage and the policy of one that never was.
const whoMayRead = `
sender      list  session watch  list-S get-S  usage-S watch-S list-B get-B  list-L unknown elsewhere at-home  erase-s erase-a retention failure-S dry-S   discard-S replay-all backlog   usage-L  never
admin       SBLI  SBLI    ok     S      S      ok      ok      B      B      L      ok      400       400      ok      ok      SBLI      S         ok      ok        ok         ok        ok       404
own         S     S       ok     S      S      ok      ok      list!  get!   list!  list!   list!     list!    delete! delete! list!     S         ok      update!   update!    list!     get!     get!
reading     S     S       ok     S      S      ok      ok      list!  get!   list!  list!   list!     list!    delete! delete! list!     S         ok      update!   update!    list!     get!     get!
writing     scope! scope! scope! scope! scope! scope!  scope!  scope! scope! scope! scope!  scope!    scope!   scope!  scope!  scope!    scope!    scope!  scope!    scope!     scope!    scope!   scope!
another     B     B       ok     list!  get!   get!    watch!  B      B      list!  list!   list!     list!    delete! delete! list!     404       404     404       update!    list!     get!     get!
suspended   I     I       ok     list!  get!   get!    watch!  list!  get!   list!  list!   list!     list!    delete! delete! list!     404       404     404       update!    list!     get!     get!
revoked     401   401     401    401    401    401     401     401    401    401    401     401       401      401     401     401       401       401     401       401        401       401      401
nobody      401   401     401    401    401    401     401     401    401    401    401     401       401      401     401     401       401       401     401       401        401       401      401
everywhere  SBLI  SBLI    ok     S      S      ok      ok      B      B      L      ok      400       400      ok      ok      SBLI      S         ok      ok        ok         ok        ok       404
home        S~    S~      ok~    S      S      ok      ok      list!  get!   list!  list!   list!     400      delete! delete! list!     S         ok      update!   update!    list!     get!     get!
editor      S~    S~      ok~    S      S      ok      ok      list!  get!   list!  list!   list!     400      delete! ok      list!     S         ok      ok        400        list!     get!     get!
abroad      BI~   BI~     ok~    list!  get!   get!    watch!  B      B      list!  list!   list!     list!    delete! delete! list!     404       404     404       400        list!     get!     get!
lister      S~    get!    watch! S      get!   get!    watch!  list!  get!   list!  list!   list!     400      delete! delete! list!     get!      get!    get!      update!    list!     get!     get!
named       list! get!    watch! S      S      ok      ok      list!  get!   list!  list!   list!     list!    delete! delete! list!     S         ok      update!   update!    list!     get!     get!
nothing     list! get!    watch! list!  get!   get!    watch!  list!  get!   list!  list!   list!     list!    delete! delete! list!     get!      get!    get!      update!    list!     get!     get!
for-theeye  S~    S~      ok~    S      S      ok      ok      list!  get!   list!  list!   list!     400      delete! delete! list!     S         ok      update!   update!    list!     get!     get!
for-auth    401   401     401    401    401    401     401     401    401    401    401     401       401      401     401     401       401       401     401       401        401       401      401
gone        401   401     401    401    401    401     401     401    401    401    401     401       401      401     401     401       401       401     401       401        401       401      401
opaque      401   401     401    401    401    401     401     401    401    401    401     401       401      401     401     401       401       401     401       401        401       401      401
`

// never is no application's UID.
const never = "ffffffff-0000-4000-8000-00000000000f"

// questions are the paths of each column.
func (c *court) questions() map[string][]string {
	events := func(reference string) []string {
		r := "application=" + url.QueryEscape(reference)
		return []string{"/v1/events?" + r, "/v1/sessions?" + r, "/v1/stats?by=application&" + r, "/v1/failures?" + r, "/v1/export?" + r}
	}
	one := func(uid uuid.UUID) []string {
		r := "application=" + uid.String()
		return []string{"/v1/events/e?" + r, "/v1/sessions/s?" + r, "/v1/applications/" + uid.String() + "/policy"}
	}
	home := c.home + "/web-shop"
	return map[string][]string{
		"list":      {"/v1/events", "/v1/events?session_id=s", "/v1/events?category=page", "/v1/events?category=page&name=view", "/v1/sessions", "/v1/sessions?name=view", "/v1/stats?by=application", "/v1/stats?by=application,type", "/v1/failures", "/v1/failures?state=open", "/v1/failures?code=field.missing&stage=ingest", "/v1/export", "/v1/export?format=csv"},
		"session":   {"/v1/sessions/s"},
		"watch":     {"/v1/stream"},
		"list-S":    slices.Concat(events(home), events(shop.String())),
		"get-S":     append(one(shop), "/v1/events/e?application="+url.QueryEscape(home)),
		"usage-S":   {"/v1/applications/" + shop.String() + "/usage"},
		"watch-S":   {"/v1/stream?application=" + url.QueryEscape(home), "/v1/stream?application=" + shop.String()},
		"list-B":    slices.Concat(events(c.away+"/web-log"), events(blog.String())),
		"get-B":     one(blog),
		"list-L":    events(bygone.String()),
		"unknown":   events(never),
		"elsewhere": events("nowhere/none"),
		"at-home":   events(c.home + "/none"),
		"erase-s":   {"DELETE /v1/sessions/none", "/v1/sessions/none/erasure"},
		"erase-a":   {"DELETE /v1/applications/" + spare.String() + "/events"},
		"retention": {"/v1/retention"},

		"failure-S":  {"/v1/failures/" + c.failures[0]},
		"dry-S":      {"POST /v1/failures/" + c.failures[0] + "/replay?dry_run=true"},
		"discard-S":  {"POST /v1/failures/" + c.failures[1] + "/discard"},
		"replay-all": {"POST /v1/replays?code=none"},
		"backlog":    {"/v1/backlog"},
		"usage-L":    {"/v1/applications/" + bygone.String() + "/usage"},
		"never":      {"/v1/applications/" + never + "/usage", "/v1/applications/" + never + "/policy"},
	}
}

// senders are the tokens of each row.
func (c *court) senders() map[string]string {
	tokens := map[string]string{
		"admin": adminToken, "own": c.keys[shop], "another": c.keys[blog], "suspended": c.keys[idle],
		"reading": c.accessToken(shop, registry.ScopeRead), "writing": c.accessToken(shop, registry.ScopeWrite),
		"revoked": apikey.New("test", apikey.ClientID(shop), "2"), "nobody": "", "opaque": "sha256~opaque",
		"for-theeye": "", "for-auth": "",
	}
	reading := []Verb{VerbGet, VerbList, VerbWatch}
	for _, name := range []string{"everywhere", "home", "editor", "abroad", "lister", "named", "nothing", "gone"} {
		tokens[name] = c.person(name)
	}
	c.grant("everywhere", "", verbs())
	c.grant("home", c.home, reading)
	c.grant("editor", c.home, verbs())
	c.grant("abroad", c.away, verbs())
	c.grant("lister", c.home, []Verb{VerbList})
	c.grant("named", c.home, reading, "web-shop")
	tokens["for-theeye"] = c.cluster.Token(c, c.home, "home", kube.AudiencePersistence)
	tokens["for-auth"] = c.cluster.Token(c, c.home, "home", kube.AudienceAuth)
	c.dismiss("gone", tokens["gone"])
	return tokens
}

// cell is what an answer shows.
func cell(status int, header http.Header, body []byte) string {
	if status >= http.StatusBadRequest {
		var problem fault.Problem
		_ = json.Unmarshal(body, &problem)
		if status != http.StatusForbidden {
			return strconv.Itoa(status)
		}
		if problem.Code != fault.CodeForbidden {
			return string(problem.Code)
		}
		if strings.Contains(problem.Detail, "not the scope events:read") {
			return "scope!"
		}
		before, _, found := strings.Cut(problem.Detail, " on applications/events (theeye.dev)")
		if !found || !strings.Contains(problem.Detail, "missing") {
			return "unnamed: " + problem.Detail
		}
		return before[strings.LastIndexByte(before, ' ')+1:] + "!"
	}
	shown := ""
	for _, a := range []struct {
		letter string
		uid    uuid.UUID
	}{{"S", shop}, {"B", blog}, {"L", bygone}, {"I", idle}} {
		if strings.Contains(string(body), a.uid.String()) {
			shown += a.letter
		}
	}
	if shown == "" {
		shown = "ok"
	}
	if header.Get(PartialHeader) == "true" || strings.Contains(string(body), `"partial":true`) {
		shown += "~"
	}
	return shown
}

// answer asks a question; of a stream it reads the beginning.
func (c *court) answer(base, token, question string) (int, http.Header, []byte) {
	c.Helper()
	method, path, found := strings.Cut(question, " ")
	if !found {
		method, path = http.MethodGet, question
	}
	ctx, cancel := context.WithCancel(c.Context())
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, base+path, nil)
	c.must(err)
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	asks, stream := testenv.HTTP(c), strings.HasPrefix(path, "/v1/stream")
	if stream {
		asks = &http.Client{}
	}
	response, err := asks.Do(request)
	c.must(err)
	defer response.Body.Close() //nolint:errcheck // only read
	if stream && response.StatusCode == http.StatusOK {
		return response.StatusCode, response.Header, nil
	}
	body, err := io.ReadAll(response.Body)
	c.must(err)
	return response.StatusCode, response.Header, body
}

// fill has every application send the same, and something that only it has.
func (c *court) fill() {
	c.Helper()
	for name, uid := range map[string]uuid.UUID{"shop": shop, "blog": blog, "lost": bygone, "idle": idle} {
		r := c.request(uid, item("e", "s", ""), item("only", "only-"+name, ""), refused("{}", "field.missing"), refused("[]", "field.missing"))
		if c.insert(r); uid == shop {
			c.failures = [2]string{event.Nth(r.Sequence, 2).String(), event.Nth(r.Sequence, 3).String()}
		}
	}
}

// TestWhoMayRead asks every question in the name of every sender, on a real API server.
func TestWhoMayRead(t *testing.T) {
	t.Parallel()
	c := newCourt(t)
	c.fill()
	tokens, questions := c.senders(), c.questions()
	closed := c.cluster.Admin()
	closed.Host = "https://127.0.0.1:1"
	_, away := c.serveCourt(c.peopleOf(closed))
	rows := strings.Split(strings.TrimSpace(whoMayRead), "\n")
	columns := strings.Fields(rows[0])
	if len(rows)-1 != len(tokens) || len(columns)-1 != len(questions) {
		t.Fatalf("%d rows of %d senders, %d columns of %d", len(rows)-1, len(tokens), len(columns)-1, len(questions))
	}
	cells := 0
	for _, row := range rows[1:] {
		fields := strings.Fields(row)
		token, known := tokens[fields[0]]
		if !known || len(fields) != len(columns) {
			t.Fatalf("row %q", row)
		}
		for i, want := range fields[1:] {
			for _, question := range questions[columns[i+1]] {
				cells++
				c.expect(c.url, fields[0], token, question, want)
				if foreignSender(fields[0]) { // nothing is known of anybody there
					c.expect(away, fields[0]+" without an API server", token, question, "503")
				}
			}
		}
	}
	c.expect(away, "admin without an API server", adminToken, "/v1/events", "SBLI")
	c.expect(away, "own without an API server", c.keys[shop], "/v1/events", "S")
	t.Logf("%d answers", cells)
}

// foreignSender tells whether a row is of a Kubernetes token.
func foreignSender(name string) bool {
	return !slices.Contains([]string{"admin", "own", "another", "suspended", "reading", "writing", "revoked", "nobody"}, name)
}

func (c *court) expect(base, sender, token, question, want string) {
	c.Helper()
	status, header, body := c.answer(base, token, question)
	if got := cell(status, header, body); got != want {
		c.Errorf("%s asks %s: %s, want %s: %d %.300s", sender, question, got, want, status, body)
	}
}

// dismiss deletes a service account, and waits until its token is nobody's.
func (c *court) dismiss(name, token string) {
	c.Helper()
	k8s := c.cluster.Client(c)
	c.must(k8s.Delete(c.Context(), serviceAccount(c.home, name)))
	c.until("the token of who is gone is refused", func() bool {
		c.forget()
		status, _, _ := c.answer(c.url, token, "/v1/access")
		return status == http.StatusUnauthorized
	})
}
