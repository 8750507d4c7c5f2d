package auth

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/apikey"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// TestStory is the life of one application.
func TestStory(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	uid := uuid.New()
	want := desired("web-shop")
	want.Policy = registry.Policy{
		DisplayName: "Web <shop>",
		EventTypes:  []registry.EventType{{Category: "page", Name: "view", Schema: json.RawMessage(`{"type":"object"}`)}},
	}

	var app, again registry.Application
	f.do("GET", path(uid), nil, http.StatusNotFound, nil)
	f.do("PUT", credentialPath(uid, "1"), credential("k"), http.StatusNotFound, nil)
	f.do("DELETE", credentialPath(uid, "1"), nil, http.StatusNoContent, nil)
	f.do("PUT", path(uid), want, http.StatusCreated, &app)
	if app.ClientID != apikey.ClientID(uid) || app.Namespace != "shop" || app.Revision == 0 {
		t.Fatalf("record %+v", app)
	}
	f.do("PUT", path(uid), want, http.StatusOK, &again)
	f.same("put again", again, app)
	f.do("GET", path(uid), nil, http.StatusOK, &again)
	f.same("got", again, app)
	f.same("published", f.stored(uid), app)

	end := time.Now().Add(time.Hour)
	first, second := credential("first"), credential("second")
	second.NotAfter = &end
	var got registry.Credential
	f.do("PUT", credentialPath(uid, "1"), first, http.StatusCreated, nil)
	f.do("PUT", credentialPath(uid, "2"), second, http.StatusCreated, nil)
	before := f.load(uid).Revision
	f.do("PUT", credentialPath(uid, "2"), second, http.StatusOK, nil)
	if after := f.load(uid).Revision; after != before || before <= app.Revision {
		t.Fatalf("revisions: %d, %d, and %d after nothing changed", app.Revision, before, after)
	}
	f.do("GET", credentialPath(uid, "2"), nil, http.StatusOK, &got)
	f.same("credential", got, registry.Credential{ID: "2", SHA256: second.SHA256, NotAfter: moment(end)})
	f.same("published with credentials", f.stored(uid), f.load(uid))
	f.do("PUT", path(uid), want, http.StatusOK, &again)
	if len(again.Credentials) != 2 {
		t.Fatalf("a PUT of the application took its credentials: %+v", again)
	}

	f.do("DELETE", credentialPath(uid, "1"), nil, http.StatusNoContent, nil)
	f.do("DELETE", credentialPath(uid, "1"), nil, http.StatusNoContent, nil)
	f.do("GET", credentialPath(uid, "1"), nil, http.StatusNotFound, nil)
	if left := f.stored(uid).Credentials; len(left) != 1 || left[0].ID != "2" {
		t.Fatalf("published after revocation: %+v", left)
	}

	f.do("DELETE", path(uid), nil, http.StatusNoContent, nil)
	f.do("DELETE", path(uid), nil, http.StatusNoContent, nil)
	f.do("GET", path(uid), nil, http.StatusNotFound, nil)
	f.do("PUT", credentialPath(uid, "1"), first, http.StatusNotFound, nil)
	f.do("DELETE", credentialPath(uid, "2"), nil, http.StatusNoContent, nil)
	if tombstone := f.stored(uid); !tombstone.Deleted || len(tombstone.Credentials) != 0 {
		t.Fatalf("tombstone %+v", tombstone)
	}

	var returned registry.Application
	f.do("PUT", path(uid), want, http.StatusCreated, &returned)
	if returned.ClientID != app.ClientID || returned.Revision <= app.Revision || len(returned.Credentials) != 0 {
		t.Fatalf("after its return %+v", returned)
	}
	// A resource that was made again under the same name has another UID, and may come before the old one's DELETE.
	f.do("PUT", path(uuid.New()), want, http.StatusCreated, nil)
}

func (f *fixture) same(what string, got, want any) {
	f.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		f.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}

func TestBadRequests(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	uid := uuid.New()
	app, cred := path(uid), credentialPath(uid, "1")
	f.put(uid, "web-shop")
	for name, c := range map[string]struct {
		method, path, body string
		status             int
		says               []string
	}{
		"uid":            {"PUT", "/v1/applications/7", `{}`, 422, []string{"uid"}},
		"uid braces":     {"PUT", "/v1/applications/{" + uid.String() + "}", `{}`, 422, []string{"uid"}},
		"uid upper case": {"GET", "/v1/applications/" + strings.ToUpper("a"+uid.String()[1:]), ``, 422, []string{"uid"}},
		"nil uid":        {"GET", path(uuid.Nil), ``, 422, []string{"uid"}},
		"no body":        {"PUT", app, ``, 400, nil},
		"no JSON":        {"PUT", app, `{"namespace"`, 400, []string{"byte"}},
		"unknown field":  {"PUT", app, `{"namespace":"a","name":"b","policy":{"supended":true}}`, 422, []string{"supended"}},
		"no names":       {"PUT", app, `{}`, 422, []string{"namespace: ", "; name: "}},
		"bad names":      {"PUT", app, `{"namespace":"a.b","name":"B","policy":{}}`, 422, []string{"namespace: ", "; name: "}},
		"bad policy": {
			"PUT", app, `{"namespace":"a","name":"b","policy":{"unknownEvents":"Maybe","limits":{"burst":-1}}}`, 422,
			[]string{"unknownEvents", "limits", "; "},
		},
		"bad duration":     {"PUT", app, `{"namespace":"a","name":"b","policy":{"retention":"1d"}}`, 422, []string{"1d"}},
		"too large":        {"PUT", app, `{"name":"` + strings.Repeat("x", maxBody) + `"}`, 413, nil},
		"credential id":    {"PUT", app + "/credentials/A", `{}`, 422, []string{"id"}},
		"long id":          {"DELETE", app + "/credentials/" + strings.Repeat("a", 17), ``, 422, []string{"id"}},
		"short hash":       {"PUT", cred, `{"sha256":"abcd"}`, 422, []string{"64 hex"}},
		"no hash":          {"PUT", cred, `{}`, 422, []string{"sha256"}},
		"bad time":         {"PUT", cred, `{"sha256":"` + strings.Repeat("a", 64) + `","notAfter":"tomorrow"}`, 422, []string{"tomorrow"}},
		"limit":            {"GET", "/v1/applications?limit=0", ``, 400, []string{"limit"}},
		"high limit":       {"GET", "/v1/applications?limit=1001", ``, 400, []string{"1000"}},
		"cursor":           {"GET", "/v1/applications?cursor=x", ``, 400, []string{"cursor"}},
		"parameter":        {"GET", "/v1/applications?page=1", ``, 400, []string{"page"}},
		"no cluster":       {"GET", "/v1/applications?cluster=", ``, 400, []string{"cluster"}},
		"bad cluster":      {"GET", "/v1/applications?cluster=East", ``, 400, []string{"cluster"}},
		"view":             {"GET", "/v1/applications?view=full", ``, 400, []string{"summary"}},
		"cluster's name":   {"PUT", app, `{"namespace":"a","name":"b","cluster":"A.b","deletionPolicy":"Drop"}`, 422, []string{"cluster: ", "deletionPolicy: "}},
		"method":           {"POST", app, `{}`, 405, []string{"POST"}},
		"list method":      {"DELETE", "/v1/applications", ``, 405, nil},
		"path":             {"GET", "/v1/nothing", ``, 404, nil},
		"unknown":          {"GET", path(uuid.New()), ``, 404, nil},
		"unknown cred":     {"GET", cred, ``, 404, nil},
		"cred, no app":     {"GET", credentialPath(uuid.New(), "1"), ``, 404, nil},
		"put cred, no app": {"PUT", credentialPath(uuid.New(), "1"), `{"sha256":"` + strings.Repeat("a", 64) + `"}`, 404, nil},
	} {
		t.Run(name, func(t *testing.T) {
			status, answer := f.send(c.method, c.path, c.body, adminToken)
			if status != c.status {
				t.Fatalf("status %d, want %d: %s", status, c.status, answer)
			}
			for _, text := range c.says {
				if !strings.Contains(string(answer), text) {
					t.Errorf("answer does not say %q: %s", text, answer)
				}
			}
		})
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	label, long := strings.Repeat("a", 63), strings.Repeat("a.", 126)+"a"
	for _, c := range []struct {
		namespace, name string
		good            bool
	}{
		{"shop", "web-shop", true},
		{"1", "0", true},
		{label, long, true},
		{"a--b", "a.b-c.d", true},
		{label + "a", "a", false},
		{"a", long + "a", false},
		{"", "a", false},
		{"a", "", false},
		{"a.b", "a", false},
		{"A", "a", false},
		{"a", "a_b", false},
		{"-a", "a", false},
		{"a-", "a", false},
		{"a", ".a", false},
		{"a", "a..b", false},
		{"a", "a.", false},
		{"a", "a.-b", false},
		{"a", "a\n", false},
		{"ä", "a", false},
		{`a"`, "a", false},
	} {
		err := checkApplication(&registry.DesiredApplication{Namespace: c.namespace, Name: c.name})
		if (err == nil) != c.good {
			t.Errorf("%q/%q: %v", c.namespace, c.name, err)
		}
	}
}

func TestOnlyTheAdminTokenOpens(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	uid := uuid.New()
	for _, r := range [][2]string{
		{"GET", "/v1/applications"},
		{"GET", path(uid)},
		{"PUT", path(uid)},
		{"DELETE", path(uid)},
		{"GET", credentialPath(uid, "1")},
		{"PUT", credentialPath(uid, "1")},
		{"DELETE", credentialPath(uid, "1")},
	} {
		for _, token := range []string{"", "wrong", adminToken + "x"} {
			if status, answer := f.send(r[0], r[1], "{", token); status != http.StatusUnauthorized {
				t.Errorf("%s %s with %q: %d %s", r[0], r[1], token, status, answer)
			}
		}
	}
}

func TestStartingAnswersUnavailable(t *testing.T) {
	t.Parallel()
	f := newFixtureOn(t, testenv.Postgres(t), testenv.Redis(t).URL())
	status, answer := f.send("PUT", path(uuid.New()), desired("a"), adminToken)
	if status != http.StatusServiceUnavailable || !strings.Contains(string(answer), "service.starting") {
		t.Fatalf("%d %s", status, answer)
	}
	f.pass()
	f.do("PUT", path(uuid.New()), desired("a"), http.StatusCreated, nil)
}

func TestCredentialLimit(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	uid := uuid.New()
	f.put(uid, "web-shop")
	end := f.clock.Now().Add(time.Minute)
	for i := range MaxCredentials {
		c := credential("same key") // the same hash under another id is no fault
		if i == 0 {
			c.NotAfter = &end
		}
		f.do("PUT", credentialPath(uid, string(rune('a'+i))), c, http.StatusCreated, nil)
	}
	f.do("PUT", credentialPath(uid, "z"), credential("z"), http.StatusConflict, nil)
	f.do("PUT", credentialPath(uid, "b"), credential("replaced"), http.StatusOK, nil)
	f.clock.Advance(2 * time.Minute) // what has expired does not count
	f.do("PUT", credentialPath(uid, "z"), credential("z"), http.StatusCreated, nil)
}

func TestListPages(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if _, answer := f.send("GET", "/v1/applications", nil, adminToken); string(answer) != `{"applications":[]}`+"\n" {
		t.Fatalf("of none: %s", answer)
	}
	var want, got []string
	for i := range 7 {
		uid := uuid.New()
		f.put(uid, "app-"+string(rune('a'+i)))
		if i == 3 {
			f.do("DELETE", path(uid), nil, http.StatusNoContent, nil)
			continue
		}
		want = append(want, uid.String())
	}
	slices.Sort(want)
	for cursor := "?limit=2"; cursor != ""; {
		var page Applications
		f.do("GET", "/v1/applications"+cursor, nil, http.StatusOK, &page)
		for _, app := range page.Applications {
			got = append(got, app.UID.String())
		}
		cursor = ""
		if page.NextCursor != "" {
			cursor = "?limit=2&cursor=" + page.NextCursor
		}
	}
	f.same("pages", got, want)
}

// TestMethods: every path has the methods that are documented, and says so.
func TestMethods(t *testing.T) {
	t.Parallel()
	testenv.Methods(t, newFixture(t).url, "auth", "tokens")
}
