package operator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/apikey"
	"github.com/theeye-dev/theeye/api/registry"
)

func encode(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func recordOf(uid uuid.UUID, cluster string) registry.Application {
	return registry.Application{UID: uid, ClientID: apikey.ClientID(uid), Cluster: cluster}
}

// What is no record of the application that was asked for is taken for none.
func TestAnswersAreChecked(t *testing.T) {
	t.Parallel()
	uid := uuid.New()
	another, stranger, namesake := recordOf(uuid.New(), ""), recordOf(uid, ""), recordOf(uid, "")
	stranger.ClientID, namesake.UID = "eye_stranger", another.UID
	for name, c := range map[string]struct {
		status     int
		text, want string
	}{
		"the record":        {http.StatusOK, encode(t, recordOf(uid, "")), ""},
		"an object":         {http.StatusOK, "{}", "another record"},
		"null":              {http.StatusOK, "null", "another record"},
		"another":           {http.StatusOK, encode(t, another), "another record"},
		"another client id": {http.StatusOK, encode(t, stranger), "another record"},
		"another uid":       {http.StatusOK, encode(t, namesake), "another record"},
		"too much":          {http.StatusOK, encode(t, recordOf(uid, "")) + strings.Repeat(" ", maxAnswer), "too large"},
		"nothing":           {http.StatusOK, "", "something else than JSON"},
		"no content":        {http.StatusNoContent, "", "something else than JSON"},
		"a page":            {http.StatusOK, "<html>welcome</html>", "something else than JSON"},
		"more than that":    {http.StatusOK, encode(t, recordOf(uid, "")) + "{}", "something else than JSON"},
	} {
		a := Auth{newPeer(t, "auth", says(c.status, c.text)).Remote}
		read, readErr := a.Application(t.Context(), uid)
		put, putErr := a.PutApplication(t.Context(), uid, registry.DesiredApplication{})
		for _, got := range []struct {
			record *registry.Application
			err    error
		}{{read, readErr}, {put, putErr}} {
			switch {
			case c.want == "" && (got.err != nil || got.record == nil || got.record.UID != uid):
				t.Errorf("%s: %+v, %v", name, got.record, got.err)
			case c.want != "" && (got.err == nil || !strings.Contains(got.err.Error(), c.want) || got.record != nil || refused(got.err)):
				t.Errorf("%s: %+v, %v, want %q", name, got.record, got.err, c.want)
			}
		}
	}
}

// The same holds for credentials and usages: a key is published, and a number shown, on their word.
func TestOtherAnswersAreChecked(t *testing.T) {
	t.Parallel()
	want := registry.Credential{ID: "1", SHA256: digest("key")}
	other := registry.Credential{ID: "1", SHA256: digest("another key")}
	put := func(r *Remote) error { return Auth{r}.PutCredential(t.Context(), uuid.New(), want) }
	usage := func(r *Remote) error { _, err := Persistence{r}.Usage(t.Context(), uuid.New()); return err }
	for name, c := range map[string]struct {
		ask  func(*Remote) error
		text string
		good bool
	}{
		"credential":         {put, encode(t, want), true},
		"another id":         {put, encode(t, registry.Credential{ID: "2", SHA256: want.SHA256}), false},
		"another hash":       {put, encode(t, other), false},
		"no credential":      {put, "{}", false},
		"nothing":            {put, "", false},
		"usage":              {usage, encode(t, registry.Usage{Outcomes24h: map[string]int64{}}), true},
		"no usage":           {usage, "{}", false},
		"nothing of a usage": {usage, "", false},
	} {
		if err := c.ask(newPeer(t, "service", says(http.StatusOK, c.text)).Remote); (err == nil) != c.good {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Only auth itself can say that it does not know an application: on that word a deletion ends.
func TestNotKnownIsAuthsOwnWord(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text           string
		known, refused bool
	}{
		"auth":            {`{"title":"Not found","status":404,"code":"not_found"}`, false, true},
		"a gateway":       {"<html><h1>404 Not Found</h1></html>", true, false},
		"another gateway": {`{"message":"no Route matched with those values","code":404}`, true, false},
		"a bare problem":  {`{"title":"Not found","status":404}`, true, false},
		"another problem": {`{"title":"Not found","status":404,"code":"route.missing"}`, true, true},
		"nothing":         {"", true, false},
	} {
		a := Auth{newPeer(t, "auth", says(http.StatusNotFound, c.text)).Remote}
		if _, err := a.Application(t.Context(), uuid.New()); (err != nil) != c.known {
			t.Errorf("%s: %v", name, err)
		}
		err := a.DeleteApplication(t.Context(), uuid.New())
		if answer := (*RemoteError)(nil); !errors.As(err, &answer) || answer.Status != http.StatusNotFound || refused(err) != c.refused {
			t.Errorf("%s: %v, refused %v", name, err, refused(err))
		}
	}
}

// lists answers with the pages of a list; a page names its next by its cursor.
func lists(t *testing.T, cluster string, next func(cursor string) string) *peer {
	t.Helper()
	records := make([]registry.Application, listPage)
	for i := range records {
		records[i] = recordOf(uuid.New(), cluster)
	}
	return newPeer(t, "auth", func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(page{records, next(r.URL.Query().Get("cursor"))}) // whoever asked may have gone
	})
}

// A list comes to its end, one way or the other.
func TestListEnds(t *testing.T) {
	t.Parallel()
	grow := func(cursor string) string { return cursor + "1" }
	for name, c := range map[string]struct {
		next  func(cursor string) string
		want  string
		asked int64
	}{
		"three pages":  {func(cursor string) string { return map[string]string{"": "a", "a": "b"}[cursor] }, "", 3},
		"a repetition": {func(string) string { return "a" }, "goes round", 2},
		"a circle":     {func(cursor string) string { return map[string]string{"": "b", "b": "a", "a": "b"}[cursor] }, "goes round", 2},
		"no end":       {grow, "more than 100000", 100},
	} {
		p := lists(t, "here", c.next)
		records, err := Auth{p.Remote}.List(t.Context(), "here")
		if c.want == "" && (err != nil || len(records) != 3*listPage) || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %d records, %v", name, len(records), err)
		}
		if n := p.asked.Load(); n != c.asked {
			t.Errorf("%s: asked %d times, want %d", name, n, c.asked)
		}
	}
}

// Records of others are not taken for those of this cluster: whoever has no Application here is ended.
func TestListOfOthers(t *testing.T) {
	t.Parallel()
	none := func(string) string { return "" }
	if records, err := (Auth{lists(t, "elsewhere", none).Remote}).List(t.Context(), "here"); err == nil {
		t.Errorf("it took %d records of another cluster", len(records))
	}
	for text, good := range map[string]bool{`{"applications":[]}`: true, "{}": false, "null": false, `{"applications":[{}]}`: false, "": false} {
		if _, err := (Auth{newPeer(t, "auth", says(http.StatusOK, text)).Remote}).List(t.Context(), "here"); (err == nil) != good {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// A token that cannot be read is the operator's own matter: nobody is asked, and the condition says so.
func TestTokenCannotBeRead(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "token")
	c := &clock{now: time.Now()}
	p := newPeer(t, "auth", says(http.StatusOK, ""))
	r := p.remote("auth", TokenFile(path, c.Now), p.server.Client().Transport)
	for _, content := range []string{"-", "", " \n", "one\ntwo", "tok\x00en"} {
		if content != "-" {
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		err := r.Ping(t.Context())
		if answer := (*RemoteError)(nil); !errors.Is(err, errToken) || errors.As(err, &answer) {
			t.Errorf("%q: %v", content, err)
		}
		if got := message(err); got != "the operator's token for auth cannot be read; it is tried again" {
			t.Errorf("%q: the condition says %q", content, got)
		}
	}
	if n := p.asked.Load(); n != 0 {
		t.Errorf("asked %d times", n)
	}
	if err := os.WriteFile(path, []byte(adminToken+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

// Conditions say the same however a service fails, without addresses; its own refusals they repeat.
func TestMessages(t *testing.T) {
	t.Parallel()
	const unwell = "auth does not answer as it should; it is tried again"
	gone := newPeer(t, "auth", hang)
	gone.server.Close()
	refusal := `{"title":"Invalid","status":422,"code":"request.invalid","detail":"displayName is too long"}`
	for name, c := range map[string]struct {
		p    *peer
		want string
	}{
		"no connection":   {gone, unwell},
		"reset":           {newPeer(t, "auth", reset("")), unwell},
		"a page":          {newPeer(t, "auth", says(http.StatusForbidden, "<html>127.0.0.1:80</html>")), unwell},
		"another record":  {newPeer(t, "auth", says(http.StatusOK, "{}")), unwell},
		"starting":        {newPeer(t, "auth", says(http.StatusServiceUnavailable, `{"title":"Starting","code":"service.starting"}`)), unwell},
		"refused":         {newPeer(t, "auth", says(http.StatusUnprocessableEntity, refusal)), "auth answered 422 request.invalid: displayName is too long"},
		"somebody else's": {newPeer(t, "persistence", reset("")), "persistence does not answer as it should; it is tried again"},
	} {
		for range 2 { // the second time a breaker may answer
			_, err := Auth{c.p.Remote}.PutApplication(t.Context(), uuid.New(), registry.DesiredApplication{})
			if got := message(fmt.Errorf("wrapped: %w", err)); got != c.want {
				t.Errorf("%s: %q, want %q", name, got, c.want)
			}
		}
	}
	if got := message(context.Canceled); got != unwell {
		t.Errorf("anything else: %q", got)
	}
}
