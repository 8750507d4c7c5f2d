package persistence

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	metricnoop "go.opentelemetry.io/otel/metric/noop"

	"github.com/theeye-dev/theeye/api/apikey"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/fault"
	"github.com/theeye-dev/theeye/services/internal/kit"
	"github.com/theeye-dev/theeye/services/internal/kube"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// bearing makes a request.
func bearing(t *testing.T, token, path string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}

// stranger knows everybody whose token begins with "known", and lets them read in the namespaces of a list.
type stranger struct {
	mu         sync.Mutex
	namespaces []string
}

// let changes what everybody may.
func (s *stranger) let(namespaces ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.namespaces = namespaces
}

func (s *stranger) Identify(_ context.Context, r *http.Request) (*kube.User, error) {
	if token, _ := kit.Bearer(r); !strings.HasPrefix(token, "known") {
		return nil, fault.New(fault.CodeUnauthenticated, "Kubernetes does not know the token, or no longer")
	}
	return &kube.User{Name: "known"}, nil
}

func (s *stranger) Allow(_ context.Context, _ *kube.User, p kube.Permission) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.Contains(s.namespaces, p.Namespace) {
		return nil
	}
	return fault.New(fault.CodeForbidden, p.String()+" is missing")
}

// TestPartsAreBounded by how many namespaces are asked about and by how many applications are put together.
func TestPartsAreBounded(t *testing.T) {
	t.Parallel()
	c := newCourt(t)
	who := &stranger{namespaces: []string{"n000"}}
	_, url := c.serveCourt(who)
	expect := func(what, question string, want int, code fault.Code) {
		t.Helper()
		status, _, body := c.answer(url, "known", question)
		var problem fault.Problem
		_ = json.Unmarshal(body, &problem)
		if status != want || problem.Code != code {
			t.Errorf("%s: %d %.300s", what, status, body)
		}
	}
	for n := range maxAmong { // in all but the two namespaces that there are
		c.add(fmt.Sprintf("n%03d", n%(maxNamespaces-2)), n)
	}
	c.followed(maxAmong - 1)
	expect("as many as are put together", "/v1/events", 200, "")
	var all []string
	for n := range maxNamespaces {
		all = append(all, fmt.Sprintf("n%03d", n))
	}
	who.let(all...)
	expect("all of the largest number", "/v1/stats?by=application", 200, "")
	c.add("n000", maxAmong)
	c.followed(maxAmong)
	expect("one application more", "/v1/events", 400, fault.CodeTooWide)
	c.add("n999", maxAmong+1)
	c.followed(maxAmong + 1)
	expect("one namespace more", "/v1/sessions", 400, fault.CodeTooWide)
	expect("one by name", "/v1/events?application=n000/a0", 200, "")
	who.let("")
	expect("who reads everything", "/v1/events", 200, "")
}

func nth(n int) uuid.UUID { return uuid.NewSHA1(uuid.Nil, fmt.Append(nil, n)) }

// followed waits until the record of an application is known.
func (c *court) followed(n int) {
	c.Helper()
	c.until("the record is followed", func() bool { return c.ring.Application(nth(n).String()) != nil })
}

// add writes the record of an application.
func (c *court) add(namespace string, n int) {
	c.Helper()
	uid := nth(n)
	c.change(registry.Application{UID: uid, Namespace: namespace, Name: fmt.Sprintf("a%d", n), ClientID: apikey.ClientID(uid), Revision: 1})
}

// TestWrongTokensAreLimited by address, and cost Kubernetes no more than that; who is known comes in all the same.
func TestWrongTokensAreLimited(t *testing.T) {
	t.Parallel()
	c := newCourt(t)
	now := time.Now()
	failures, err := kit.NewFailures(func(*http.Request) netip.Addr { return netip.Addr{} }, func() time.Time { return now }, metricnoop.Meter{})
	c.must(err)
	_, url := c.serveCourt(&stranger{}, func(r *Reader) { r.Failures = failures })
	statuses := map[int]int{}
	for n := range 150 {
		status, _, _ := c.answer(url, fmt.Sprint("wrong", n), "/v1/events")
		statuses[status]++
	}
	c.same("the answers", map[int]int{401: 100, 429: 50}, statuses)
	if status, _, body := c.answer(url, "known", "/v1/access"); status != http.StatusOK {
		t.Errorf("who is known: %d %s", status, body)
	}
}

// TestAccess tells everybody who they are and what they may, and nobody more.
func TestAccess(t *testing.T) {
	t.Parallel()
	c := newCourt(t)
	reading := []Verb{VerbGet, VerbList, VerbWatch}
	home, named, nothing := c.person("home"), c.person("named"), c.person("nothing")
	c.grant("home", c.home, reading)
	c.grant("home", c.away, []Verb{VerbGet})
	c.grant("named", c.home, reading, "web-shop")
	user := func(name string) string { return testenv.Username(c.home, name) }
	of := func(uid uuid.UUID, namespace, name string, can ...Verb) Grant {
		return Grant{UID: uid, Namespace: namespace, Name: name, Suspended: uid == idle, Verbs: can}
	}
	for name, e := range map[string]struct {
		token, query string
		want         Access
	}{
		"the application": {c.keys[shop], "", Access{User: c.home + "/web-shop", Kind: KindApplication, Applications: []Grant{of(shop, c.home, "web-shop", reading...)}}},
		"the admin":       {adminToken, "?application=" + idle.String(), Access{User: "admin", Kind: KindAdmin, All: true, Applications: []Grant{of(idle, c.away, "idle", verbs()...)}}},
		"a person": {home, "", Access{User: user("home"), Kind: KindKubernetes, Applications: inOrder(
			of(spare, c.home, "spare", reading...), of(shop, c.home, "web-shop", reading...), of(idle, c.away, "idle", VerbGet), of(blog, c.away, "web-log", VerbGet),
		)}},
		"by name, without it": {named, "", Access{User: user("named"), Kind: KindKubernetes, Applications: []Grant{}}},
		"by name":             {named, "?application=" + c.home + "/web-shop", Access{User: user("named"), Kind: KindKubernetes, Applications: []Grant{of(shop, c.home, "web-shop", reading...)}}},
		"nothing":             {nothing, "?application=" + shop.String(), Access{User: user("nothing"), Kind: KindKubernetes, Applications: []Grant{}}},
	} {
		status, _, body := c.answer(c.url, e.token, "/v1/access"+e.query)
		var got Access
		if status != http.StatusOK || json.Unmarshal(body, &got) != nil {
			t.Errorf("%s: %d %s", name, status, body)
		}
		c.same(name, e.want, got)
	}
	status, _, body := c.answer(c.url, adminToken, "/v1/access")
	if status != http.StatusOK || strings.Count(string(body), `"verbs":["get","list","watch","update","delete"]`) != 4 || !strings.Contains(string(body), `"all":true`) {
		t.Errorf("the admin: %d %s", status, body)
	}
}

// inOrder sorts by namespace, as names of namespaces are made by the cluster.
func inOrder(grants ...Grant) []Grant {
	slices.SortStableFunc(grants, func(a, b Grant) int { return strings.Compare(a.Namespace, b.Namespace) })
	return grants
}

// TestPolicy has what an application may, and of its credentials nothing that helps anybody to one.
func TestPolicy(t *testing.T) {
	t.Parallel()
	c := newCourt(t)
	past, future := time.Now().Add(-time.Hour).UTC().Truncate(time.Second), time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	key := apikey.New("test", apikey.ClientID(shop), "1")
	hash := registry.Digest(apikey.HashOf(key))
	c.change(registry.Application{
		UID: shop, Namespace: c.home, Name: "web-shop", ClientID: apikey.ClientID(shop), Revision: 3,
		Policy: registry.Policy{DisplayName: "Web shop", UnknownEvents: registry.RejectUnknown},
		Credentials: []registry.Credential{
			{ID: "1", SHA256: hash}, {ID: "2", SHA256: hash, NotAfter: &future}, {ID: "3", SHA256: hash, NotAfter: &past},
		},
	})
	c.until("the record is followed", func() bool { return c.ring.Application(shop.String()).Revision == 3 })
	status, _, body := c.answer(c.url, adminToken, "/v1/applications/"+shop.String()+"/policy")
	var got ApplicationPolicy
	if status != http.StatusOK || json.Unmarshal(body, &got) != nil {
		t.Fatalf("%d %s", status, body)
	}
	c.same("the policy", ApplicationPolicy{
		UID: shop, Namespace: c.home, Name: "web-shop", Policy: registry.Policy{DisplayName: "Web shop", UnknownEvents: registry.RejectUnknown},
		Credentials: []CredentialState{{ID: "1", State: "active"}, {ID: "2", State: "expiring", ExpiresAt: &future}, {ID: "3", State: "expired", ExpiresAt: &past}},
	}, got)
	if strings.Contains(strings.ToLower(string(body)), "sha256") || strings.Contains(string(body), "eye_") {
		t.Errorf("it tells too much: %s", body)
	}
	for question, want := range map[string]int{
		"/v1/applications/" + bygone.String() + "/policy":                404,
		"/v1/applications/" + strings.ToUpper(shop.String()) + "/policy": 422,
		"/v1/applications/" + shop.String() + "/policy?verbose=1":        400,
		"/v1/access?application=":                                        400,
		"/v1/access?application=no":                                      400,
		"/v1/access?verbose=1":                                           400,
	} {
		if status, _, body := c.answer(c.url, adminToken, question); status != want {
			t.Errorf("%s: %d %s", question, status, body)
		}
	}
}
