package services_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/theeye-dev/theeye/api/registry"
)

// sessionCookie is how the console's cookie is called.
const sessionCookie = "__Host-theeye"

// strictPolicy is one that refuses what the tests post badly.
func strictPolicy(hostType string) registry.Policy {
	return registry.Policy{DisplayName: "Web shop", EventTypes: []registry.EventType{{
		Category: "page interaction", Name: "pageview",
		Schema: registry.Schema(`{"type":"object","required":["host","path"],"properties":{"host":{"type":"` + hostType + `"},"path":{"type":"string","maxLength":40}}}`),
	}}}
}

// people is a system with two applications, and what people look for in it.
type people struct {
	*system
	shop, blog application
}

func newPeople(t *testing.T, extra ...string) *people {
	t.Helper()
	return newPeopleOn(t, "", extra...)
}

// newPeopleOn is newPeople on a database of the test's own; "": on a fresh one.
func newPeopleOn(t *testing.T, postgresURL string, extra ...string) *people {
	t.Helper()
	p := &people{system: newSystem(t, postgresURL, extra...)}
	p.shop = p.register("web-shop", strictPolicy("string"))
	p.blog = p.register("web-log", registry.Policy{})
	return p
}

// send posts events, whatever their verdicts.
func (p *people) send(a application, events ...string) {
	p.t.Helper()
	if status, answer := p.post(a, "["+strings.Join(events, ",")+"]"); status != http.StatusAccepted && status != http.StatusUnprocessableEntity {
		p.t.Fatalf("posting is answered %d %s", status, answer)
	}
}

// visitOf is an event of a type that the shop declares.
func visitOf(id, session string, at time.Time, data string) string {
	return fmt.Sprintf(`{"id":%q,"session_id":%q,"category":"page interaction","name":"pageview","timestamp":%q,"data":%s}`, id, session, at.UTC().Format(time.RFC3339Nano), data)
}

// furnish posts a session of both applications, and some failures; it waits until all is seen.
func (p *people) furnish() {
	p.t.Helper()
	begin := time.Now().Add(-20 * time.Minute)
	for i := range 12 {
		at := begin.Add(time.Duration(i*i) * 5 * time.Second)
		p.send(p.shop, visitOf(fmt.Sprintf("v%d", i), "checkout-7f3a", at, fmt.Sprintf(`{"host":"shop.example","path":"/products/%d","cart":{"total":%d,"items":[{"sku":"A-%d","n":1}]}}`, i, 10*i, i)))
		if i%3 == 0 {
			p.send(p.blog, fmt.Sprintf(`{"id":"b%d","session_id":"checkout-7f3a","category":"article","name":"read","timestamp":%q,"data":{"slug":"how-we-ship","words":%d}}`, i, at.Add(2*time.Second).UTC().Format(time.RFC3339Nano), 400+i))
		}
	}
	for i := range 8 {
		p.send(p.shop, visitOf(fmt.Sprintf("bad%d", i), "checkout-7f3a", begin, `{"host":7,"path":"/products/a-path-that-is-much-longer-than-forty-characters"}`))
	}
	p.send(p.blog, `{"id":"odd","session_id":"s","category":"article","name":"read","colour":"blue"}`)
	p.awaitEvents(p.shop, url.Values{}, 12)
	p.awaitEvents(p.blog, url.Values{}, 4)
	eventually(p.t, func() error {
		found, err := p.failures(p.shop)
		if err == nil && len(found) != 8 {
			err = fmt.Errorf("%d failures", len(found))
		}
		if err == nil { // and the schema is kept that has refused them
			status, one := p.do(http.MethodGet, p.persistence.URL+"/v1/failures/"+found[0].ID, "Bearer "+p.shop.key, nil)
			if !bytes.Contains(one, []byte(`"schema":`)) {
				err = fmt.Errorf("without its schema: %d %s", status, one)
			}
		}
		return err
	})
}

// surfer is a browser without JavaScript: plain HTTP, and the cookie that it was given.
type surfer struct {
	t      *testing.T
	base   string
	cookie string
}

// reply is what a surfer is answered; redirects are not followed.
type reply struct {
	status int
	header http.Header
	body   string
}

// ask sends a request, a form with it if there is one; header alternates names and values.
func (s *surfer) ask(method, path string, form url.Values, header ...string) reply {
	s.t.Helper()
	body := io.Reader(http.NoBody)
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	request, err := http.NewRequestWithContext(context.Background(), method, s.base+path, body)
	if err != nil {
		s.t.Fatal(err)
	}
	request.Header.Set("Accept", "text/html,application/xhtml+xml")
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if s.cookie != "" {
		request.Header.Set("Cookie", sessionCookie+"="+s.cookie)
	}
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // only read
	text, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return reply{response.StatusCode, response.Header, string(text)}
}

// get asks for a page that must be there.
func (s *surfer) get(path string) string {
	s.t.Helper()
	got := s.ask(http.MethodGet, path, nil)
	if got.status != http.StatusOK {
		s.t.Fatalf("%s is answered %d %s %s", path, got.status, got.header.Get("Location"), got.body)
	}
	return got.body
}

// login keeps the cookie, as a browser does.
func (s *surfer) login(token string) *http.Cookie {
	s.t.Helper()
	got := s.ask(http.MethodPost, "/login", url.Values{"token": {token}, "next": {"/events?name=x"}})
	if got.status != http.StatusSeeOther {
		s.t.Fatalf("the login is answered %d %s", got.status, got.body)
	}
	for _, line := range got.header.Values("Set-Cookie") {
		cookie, err := http.ParseSetCookie(line)
		if err == nil && cookie.Name == sessionCookie {
			s.cookie = cookie.Value
			return cookie
		}
	}
	s.t.Fatalf("no cookie is set: %v", got.header)
	return nil
}
