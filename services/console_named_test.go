package services_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/apikey"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// TestConsoleOffersWhatIsGivenByName: rights by resourceNames are on no list, and are offered where a page is about their
// application; to who may only read it nothing else is.
func TestConsoleOffersWhatIsGivenByName(t *testing.T) {
	cluster := testenv.Kubernetes(t)
	home := cluster.Namespace(t)
	for account, verbs := range map[string]string{"changes": "get,list,watch,update", "looks": "get,list"} {
		cluster.ServiceAccount(t, home, account)
		cluster.Kubectl(t, "create", "role", account, "-n", home, "--verb="+verbs, "--resource=applications.theeye.dev/events", "--resource-name=web-shop")
		cluster.Kubectl(t, "create", "rolebinding", account, "-n", home, "--role="+account, "--serviceaccount="+home+":"+account)
	}
	p := &people{system: newSystem(t, "", "THEEYE_KUBERNETES_ACCESS=on", "THEEYE_KUBECONFIG="+cluster.Kubeconfig(t, cluster.Admin()))}
	p.shop = application{uid: uuid.New()}
	p.shop.clientID = apikey.ClientID(p.shop.uid)
	p.shop.key = apikey.New("test", p.shop.clientID, "1")
	p.mustAdmin(http.MethodPut, p.shop.path(), registry.DesiredApplication{Namespace: home, Name: "web-shop", Policy: strictPolicy("string")})
	p.mustAdmin(http.MethodPut, p.shop.path()+"/credentials/1", registry.DesiredCredential{SHA256: registry.Digest(apikey.HashOf(p.shop.key))})
	p.blog = p.register("web-log", registry.Policy{}) // and so the log is read up to it
	p.furnish()
	for account, changes := range map[string]bool{"changes": true, "looks": false} {
		s := &surfer{t: t, base: p.persistence.URL}
		s.login(cluster.Token(t, home, account, ""))
		p.named(s, home+"/web-shop", changes)
	}
}

// named looks at the pages about the shop as somebody who may read it by name, and change it, too, or not.
func (p *people) named(s *surfer, title string, changes bool) {
	p.t.Helper()
	offered := func(what, page string, wanted map[string]bool) {
		p.t.Helper()
		for text, want := range wanted {
			if strings.Contains(page, text) != want {
				p.t.Errorf("%s, changes %t: has %q: %t, want %t: %s", what, changes, text, !want, want, page)
			}
		}
	}
	list := s.get("/failures?state=open&application=" + url.QueryEscape(title))
	offered("the list", list, map[string]bool{`value="true">Dry run`: true, `value="false">`: changes})
	failure := linkIn(list, "/failures/")
	offered("a failure", s.get(failure), map[string]bool{">Dry run<": true, ">Replay<": changes, ">Discard<": changes, title: true})
	offered("an event", s.get("/events/v1?application="+p.shop.uid.String()), map[string]bool{title: true})
	offered("events", s.get("/events?application="+p.shop.uid.String()), map[string]bool{title: true})
	begun := s.ask(http.MethodPost, "/replays", url.Values{"dry_run": {"true"}, "application": {p.shop.uid.String()}})
	if begun.status != http.StatusSeeOther {
		p.t.Fatalf("a dry run is answered %d %s", begun.status, begun.body)
	}
	replay := begun.header.Get("Location")
	eventually(p.t, func() error {
		if page := s.get(replay); !strings.Contains(page, "finished") {
			return fmt.Errorf("the dry run is at %s", page)
		}
		return nil
	})
	offered("the dry run", s.get(replay), map[string]bool{"Replay them now": changes})
	if !changes {
		return
	}
	if got := s.ask(http.MethodPost, failure+"/discard", url.Values{}); got.status != http.StatusSeeOther {
		p.t.Errorf("what is offered is answered %d %s", got.status, got.body)
	}
}

// TestConsoleExportsNothing: a file with nothing in it is one all the same.
func TestConsoleExportsNothing(t *testing.T) {
	p := newPeople(t)
	s := &surfer{t: t, base: p.persistence.URL}
	s.login(adminToken)
	for format, want := range map[string][2]string{
		"ndjson": {"application/x-ndjson", `attachment; filename="events.ndjson"`}, "csv": {"text/csv", `attachment; filename="events.csv"`},
	} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			for _, coding := range []string{"identity", "gzip"} {
				got := s.ask(method, "/export?name=nobody-has-sent-it&format="+format, nil, "Accept-Encoding", coding)
				if got.status != http.StatusOK || !strings.HasPrefix(got.header.Get("Content-Type"), want[0]) || got.header.Get("Content-Disposition") != want[1] {
					t.Errorf("%s of nothing as %s (%s) is answered %d %v", method, format, coding, got.status, got.header)
				}
			}
		}
	}
}
