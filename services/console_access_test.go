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

// TestConsoleWithAKubernetesToken shows what RBAC allows its owner and says that it is a part, offers nothing that is not
// allowed, and tells what is missing.
func TestConsoleWithAKubernetesToken(t *testing.T) {
	cluster := testenv.Kubernetes(t)
	home := cluster.Namespace(t)
	cluster.ServiceAccount(t, home, "analyst")
	cluster.Kubectl(t, "create", "role", "reader", "-n", home, "--verb=get,list,watch", "--resource=applications.theeye.dev/events")
	cluster.Kubectl(t, "create", "rolebinding", "reader", "-n", home, "--role=reader", "--serviceaccount="+home+":analyst")
	p := &people{system: newSystem(t, "", "THEEYE_KUBERNETES_ACCESS=on", "THEEYE_KUBECONFIG="+cluster.Kubeconfig(t, cluster.Admin()))}
	p.shop = application{uid: uuid.New()}
	p.shop.clientID = apikey.ClientID(p.shop.uid)
	p.shop.key = apikey.New("test", p.shop.clientID, "1")
	p.mustAdmin(http.MethodPut, p.shop.path(), registry.DesiredApplication{Namespace: home, Name: "web-shop", Policy: strictPolicy("string")})
	p.mustAdmin(http.MethodPut, p.shop.path()+"/credentials/1", registry.DesiredCredential{SHA256: registry.Digest(apikey.HashOf(p.shop.key))})
	p.blog = p.register("web-log", registry.Policy{}) // and so the log is read up to it
	p.furnish()

	s := &surfer{t: t, base: p.persistence.URL}
	s.login(cluster.Token(t, home, "analyst", ""))
	for path, shown := range map[string][]string{
		"/": {"only the part that you may read", home + "/web-shop", "analyst"}, "/events": {"/products/11", "only the part"},
		"/sessions/checkout-7f3a": {"/products/11", "only the part"}, "/failures": {"schema.mismatch"}, "/applications": {"get, list, watch"},
		"/applications/" + p.shop.uid.String(): {"maxLength"},
	} {
		page := s.get(path)
		for _, want := range shown {
			if !strings.Contains(page, want) {
				t.Errorf("%s does not show %q: %s", path, want, page)
			}
		}
		for _, hidden := range []string{"web-log", "how-we-ship", "Erase this session", "not stored yet", p.blog.uid.String()} {
			if strings.Contains(page, hidden) {
				t.Errorf("%s shows %q", path, hidden)
			}
		}
	}
	if page := s.get(linkIn(s.get("/failures"), "/failures/")); strings.Contains(page, "Discard") || !strings.Contains(page, ">Dry run<") {
		t.Errorf("who may try and not replay is offered: %s", page)
	}
	p.everywhere(cluster)
	for path, form := range map[string]url.Values{
		"/sessions/checkout-7f3a/erase": {"sure": {"yes"}}, "/replays": {"dry_run": {"false"}},
	} {
		if got := s.ask(http.MethodPost, path, form); got.status != http.StatusForbidden || !strings.Contains(got.body, "permission.denied") || !strings.Contains(got.body, "applications/events") {
			t.Errorf("%s is answered %d %s", path, got.status, got.body)
		}
	}
	cluster.Kubectl(t, "delete", "rolebinding", "reader", "-n", home)
	eventually(t, func() error { // what was allowed is remembered for some seconds
		if got := s.ask(http.MethodGet, "/events", nil); got.status != http.StatusForbidden || !strings.Contains(got.body, "permission.denied") {
			return fmt.Errorf("without the right, events are answered %d", got.status)
		}
		return nil
	})
}

// everywhere: who may do everything is offered so also for what belongs to an application that is gone.
func (p *people) everywhere(cluster *testenv.Cluster) {
	p.t.Helper()
	home := cluster.Namespace(p.t)
	cluster.ServiceAccount(p.t, home, "chief")
	cluster.Kubectl(p.t, "create", "clusterrole", home, "--verb=get,list,watch,update,delete", "--resource=applications.theeye.dev/events")
	cluster.Kubectl(p.t, "create", "clusterrolebinding", home, "--clusterrole="+home, "--serviceaccount="+home+":chief")
	defer cluster.Kubectl(p.t, "delete", "clusterrolebinding,clusterrole", home) // they are of no namespace
	chief := &surfer{t: p.t, base: p.persistence.URL}
	chief.login(cluster.Token(p.t, home, "chief", ""))
	gone := linkIn(chief.get("/failures?application="+p.blog.uid.String()), "/failures/")
	p.mustAdmin(http.MethodDelete, p.blog.path(), nil)
	eventually(p.t, func() error { // everybody has heard
		if page := chief.get("/applications"); strings.Contains(page, p.blog.uid.String()) {
			return fmt.Errorf("it is there")
		}
		return nil
	})
	page := chief.get(gone)
	for _, want := range []string{">Dry run<", ">Replay<", ">Discard<"} {
		if !strings.Contains(page, want) {
			p.t.Errorf("%s is not offered to who may do everything: %s", want, page)
		}
	}
	if page := chief.get("/sessions/checkout-7f3a"); !strings.Contains(page, "Erase this session") {
		p.t.Errorf("to erase is not offered to who may do everything: %s", page)
	}
}
