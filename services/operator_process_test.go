package services_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/theeye-dev/theeye/api/v1alpha1"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// The operator is killed while it issues credentials to many: the next one brings all to their end, with one key each.
func TestOperatorKilledWhileIssuing(t *testing.T) {
	t.Parallel()
	namespace := testenv.Kubernetes(t).Namespace(t)
	o := newOperated(t, []string{namespace}, "--concurrency=4", "--leader-elect=false")
	const many = 40
	clients := map[string]string{} // Application → client id
	for n := range many {
		name := fmt.Sprintf("app-%02d", n)
		clients[name] = o.create(namespace, name, "{}").ClientID()
	}
	eventually(t, func() error {
		if issued := len(o.secrets(namespace)); issued == 0 {
			return errors.New("no Secret yet")
		}
		return nil
	})
	o.operator.Kill()
	if names := o.secrets(namespace); len(names) >= many {
		t.Errorf("%d Secrets were there already: the test tests nothing", len(names))
	}
	o.operator.Restart()
	var keys []string
	for name, clientID := range clients {
		a := o.accepted(namespace, name)
		if a.clientID != clientID {
			t.Errorf("%s has client id %s, want %s", name, a.clientID, clientID)
		}
		o.await(namespace, name, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
		keys = append(keys, a.key)
	}
	eventually(t, func() error {
		if names := o.secrets(namespace); len(names) != many {
			return fmt.Errorf("%d Secrets are there: %v", len(names), names)
		}
		return nil
	})
	if n := o.count("SELECT count(*) FROM auth.credentials"); n != many {
		t.Errorf("auth has %d credentials, want %d", n, many)
	}
	o.keepsSecret(keys...)
}

// secrets are the names of all Secrets in a namespace.
func (o *operated) secrets(namespace string) (names []string) {
	o.t.Helper()
	var list corev1.SecretList
	if err := o.k8s.List(o.t.Context(), &list, client.InNamespace(namespace)); err != nil {
		o.t.Fatal(err)
	}
	for i := range list.Items {
		names = append(names, list.Items[i].Name)
	}
	return names
}

// A leader that is stopped ends well and gives the lease away: another replica, whose cache is filled, goes on at once.
func TestLeadershipIsHandedOver(t *testing.T) {
	t.Parallel()
	namespace := testenv.Kubernetes(t).Namespace(t)
	o := newOperated(t, []string{namespace})
	o.create(namespace, "first", "{}")
	o.accepted(namespace, "first") // by the only replica
	leader := o.leader()
	second := testenv.Start(t, o.options(operatorAccount)) // ready, although it does not lead
	if now := o.leader(); now != leader || leader == "" {
		t.Errorf("the lease is %q's, and then %q's", leader, now)
	}
	began := time.Now()
	o.operator.Stop() // exit code 0
	if now := o.leader(); now == leader {
		t.Errorf("the lease is still %q's", now)
	}
	o.create(namespace, "second", "{}")
	o.accepted(namespace, "second")
	t.Logf("from SIGTERM of the leader to credentials by the other: %s", time.Since(began))
	if now := o.leader(); now == leader || now == "" {
		t.Errorf("the lease is %q's", now)
	}
	second.Stop()
}

// leader holds the lease; "": nobody.
func (o *operated) leader() string {
	o.t.Helper()
	var lease coordinationv1.Lease
	if err := o.k8s.Get(o.t.Context(), client.ObjectKey{Namespace: o.home, Name: operatorAccount}, &lease); err != nil {
		o.t.Fatal(err)
	}
	if lease.Spec.HolderIdentity == nil {
		return ""
	}
	return *lease.Spec.HolderIdentity
}

// The ops port tells how it stands: also which services do not answer, for which no replica is taken out.
func TestOperatorsOpsPort(t *testing.T) {
	t.Parallel()
	namespace := testenv.Kubernetes(t).Namespace(t)
	o := newOperated(t, []string{namespace}, "--leader-elect=false", "--compare-interval=1s")
	o.create(namespace, "web-shop", "{}")
	o.accepted(namespace, "web-shop")
	eventually(t, func() error {
		return o.serves("/metrics", http.StatusOK,
			`theeye_application_condition{name="web-shop",namespace="`+namespace+`",reason="Ready",status="True",type="Ready"} 1`,
			`rest_client_requests_total{code="201"`,
			"controller_runtime_reconcile_total", "theeye_operator_comparisons_total", "process_cpu_seconds_total", "go_goroutines")
	})
	for path, says := range map[string]string{"/healthz": "", "/readyz": `"cache"`, "/readyz?full": `"auth"`} {
		if err := o.serves(path, http.StatusOK, says); err != nil {
			t.Error(err)
		}
	}
	o.persistence.Kill()
	eventually(t, func() error { return o.serves("/readyz?full", http.StatusServiceUnavailable, "persistence") })
	if err := o.serves("/readyz", http.StatusOK); err != nil {
		t.Error(err)
	}
}

func (o *operated) serves(path string, want int, texts ...string) error {
	status, body := o.do(http.MethodGet, o.operator.OpsURL+path, "", nil)
	if status != want {
		return fmt.Errorf("%s answers %d %s", path, status, body)
	}
	for _, text := range texts {
		if !strings.Contains(string(body), text) {
			return fmt.Errorf("%s does not say %s", path, text)
		}
	}
	return nil
}

// auth and persistence let in the operator and nobody else; where there is an admin token, that too.
func TestWhomServicesTrust(t *testing.T) {
	t.Parallel()
	o := newUnoperated(t)
	o.cluster.ServiceAccount(t, o.home, "somebody")
	target := "/v1/applications/00000000-0000-4000-8000-000000000001"
	operator := func(audience string) string { return o.cluster.Token(t, o.home, operatorAccount, audience) }
	type door struct {
		method, url, audience, other string
		people                       int // what people are answered, who may read where RBAC lets them, and these may not
	}
	doors := func(auth, persistence string) []door {
		return []door{
			{http.MethodGet, auth + "/v1/applications?cluster=a", authAudience, persistenceAudience, http.StatusUnauthorized},
			{http.MethodGet, persistence + target + "/usage", persistenceAudience, authAudience, http.StatusForbidden},
			{http.MethodDelete, persistence + target + "/events", persistenceAudience, authAudience, http.StatusForbidden},
		}
	}
	knock := func(d door, what, token string, want int) {
		t.Helper()
		status, body := o.do(d.method, d.url, "Bearer "+token, nil)
		if (status/100 == 2 || status == http.StatusNotFound) && want == http.StatusOK { // who is let in is told that there is none
			return
		}
		if status != want {
			t.Errorf("%s %s with %s: %d %s, want %d", d.method, d.url, what, status, body, want)
		}
	}
	for _, d := range doors(o.auth.URL, o.persistence.URL) {
		knock(d, "the operator's token", operator(d.audience), http.StatusOK)
		knock(d, "another audience", operator(d.other), http.StatusUnauthorized)
		knock(d, "the API server's audience", operator(""), d.people)
		knock(d, "another account", o.cluster.Token(t, o.home, "somebody", d.audience), http.StatusForbidden)
		knock(d, "an admin token that is not configured", adminToken, http.StatusUnauthorized)
	}
	auth := testenv.Start(t, o.trusting("auth", "THEEYE_ADMIN_TOKEN="+adminToken))
	persistence := testenv.Start(t, o.trusting("persistence", "THEEYE_ADMIN_TOKEN="+adminToken, "THEEYE_REPLICA=persistence-1"))
	for _, d := range doors(auth.URL, persistence.URL) {
		knock(d, "the admin token", adminToken, http.StatusOK)
		knock(d, "the operator's token beside it", operator(d.audience), http.StatusOK)
		knock(d, "another audience beside it", operator(d.other), http.StatusUnauthorized)
	}
}
