package services_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/theeye-dev/theeye/api/registry"
)

// promise is a request and what is promised for it, over HTTP, by the running services. Tests beside the code go into
// every corner; here is one request for each reason that a client may be given.
type promise struct {
	situation string // a line of the design's table of answers, where it belongs to one
	code      string // of the problem, or of the last event's verdict
	method    string // default POST
	at        string // service and path; default ingest's /v1/events
	as        string // whose key is sent: an application of parties, admin or nobody; default shop
	header    []string
	body      string
	again     bool // until it is answered so: what depends on how much came before
	status    int
	detail    string   // what the detail contains
	pointer   string   // of the problem, or of the last event's verdict
	headers   []string // that the answer has
}

// parties are the applications of the promises.
func parties() map[string]registry.Policy {
	declared := registry.Policy{UnknownEvents: registry.RejectUnknown, EventTypes: []registry.EventType{
		{Category: "cart", Name: "added", Schema: registry.Schema(`{"required":["sku"]}`)},
		{Category: "cart", Name: "costly", Schema: registry.Schema(`{"additionalProperties":{"items":{"allOf":[true` + strings.Repeat(",true", 500) + `]}}}`)},
		{Category: "cart", Name: "faulty", SchemaUnavailable: true},
	}}
	return map[string]registry.Policy{
		"shop":      {},
		"suspended": {Suspended: true},
		"declared":  declared,
		"small":     {Limits: &registry.Limits{MaxEventBytes: 300}},
		"pages":     {Origins: []string{"https://shop.example.com"}},
		"limited":   {Limits: &registry.Limits{EventsPerSecond: 1, Burst: 1}},
	}
}

// TestEveryPromiseIsKept sends what promises() list, in their order, and then looks for the refused events.
func TestEveryPromiseIsKept(t *testing.T) {
	s := newSystem(t, "")
	known := map[string]application{}
	for name, policy := range parties() {
		if name == "suspended" {
			known[name] = s.enrol(name, policy) // which is never let in
			continue
		}
		known[name] = s.register(name, policy)
	}
	s.fill(known["shop"])
	recorded := map[string][]string{}
	for _, p := range promises() {
		t.Run(p.code, func(t *testing.T) {
			for _, verdict := range s.keep(t, p, known).Events {
				if verdict.Code != "" && verdict.Code != "request.strict" { // which is no fault of the event
					recorded[p.party()] = append(recorded[p.party()], verdict.Code)
				}
			}
		})
	}
	for name, a := range known {
		s.awaitRecorded(a, recorded[name])
	}
}

func (p promise) party() string { return cmp.Or(p.as, "shop") }

// told is what an answer tells.
type told struct {
	Code, Detail, Pointer string

	Events []struct{ Status, Code, Detail, Pointer string }
}

func (s *system) keep(t *testing.T, p promise, known map[string]application) (got told) {
	t.Helper()
	ask := func() error {
		status, header, body := s.ask(t, p, known)
		got = told{}
		if err := json.Unmarshal(body, &got); err != nil {
			return fmt.Errorf("answered %d %s", status, body)
		}
		code, detail, pointer := got.Code, got.Detail, got.Pointer
		if len(got.Events) > 0 && code != p.code {
			last := got.Events[len(got.Events)-1]
			code, detail, pointer = last.Code, last.Detail, last.Pointer
		}
		if status != p.status || code != p.code || !strings.Contains(detail, p.detail) || pointer != p.pointer {
			return fmt.Errorf("answered %d %s, want %d %s %s with %q", status, body, p.status, p.code, p.pointer, p.detail)
		}
		for _, name := range p.headers {
			if header.Get(name) == "" {
				return fmt.Errorf("answered without %s: %v", name, header)
			}
		}
		return nil
	}
	if p.again {
		eventually(t, ask)
	} else if err := ask(); err != nil {
		t.Error(err)
	}
	return got
}

func (s *system) ask(t *testing.T, p promise, known map[string]application) (status int, header http.Header, body []byte) {
	t.Helper()
	service, at, _ := strings.Cut(cmp.Or(p.at, "ingest /v1/events"), " ")
	base := map[string]string{"ingest": s.ingest.URL, "persistence": s.persistence.URL, "auth": s.auth.URL}[service]
	at = strings.NewReplacer("UID", known["shop"].uid.String(), "PAGES", known["pages"].clientID).Replace(at)
	request, err := http.NewRequestWithContext(context.Background(), cmp.Or(p.method, http.MethodPost), base+at, strings.NewReader(p.body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	switch p.as {
	case "nobody":
	case "admin":
		request.Header.Set("Authorization", "Bearer "+adminToken)
	default:
		request.Header.Set("Authorization", "Bearer "+known[p.party()].key)
	}
	for pair := range slices.Chunk(p.header, 2) {
		request.Header.Set(pair[0], pair[1])
	}
	response, err := s.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // only read
	if body, err = io.ReadAll(response.Body); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, response.Header, body
}

// fill gives an application as many credentials as it may have.
func (s *system) fill(a application) {
	s.t.Helper()
	for status, n := http.StatusCreated, 0; status == http.StatusCreated; n++ {
		path := fmt.Sprintf("%s%s/credentials/more%d", s.auth.URL, a.path(), n)
		status, _ = s.do(http.MethodPut, path, "Bearer "+adminToken, []byte(`{"sha256":"`+strings.Repeat("a", 64)+`"}`))
	}
}

// awaitRecorded waits until an application has failures of just these codes.
func (s *system) awaitRecorded(a application, codes []string) {
	s.t.Helper()
	slices.Sort(codes)
	want := slices.Compact(codes)
	eventually(s.t, func() error {
		failures, err := s.failures(a)
		if err != nil {
			return err
		}
		got := map[string]bool{}
		for _, f := range failures {
			got[f.Code] = true
		}
		if !slices.Equal(want, slices.Sorted(maps.Keys(got))) {
			return fmt.Errorf("failures of %v are listed, want %v", got, want)
		}
		return nil
	})
}
