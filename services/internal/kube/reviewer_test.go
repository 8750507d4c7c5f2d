package kube_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/theeye-dev/theeye/services/internal/admin"
	"github.com/theeye-dev/theeye/services/internal/atonce"
	"github.com/theeye-dev/theeye/services/internal/kube"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// operator makes a service account in a namespace of its own and returns both names and a token for theeye-auth.
func operator(t *testing.T, cluster *testenv.Cluster) (namespace, account, token string) {
	t.Helper()
	namespace, account = cluster.Namespace(t), "operator"
	cluster.ServiceAccount(t, namespace, account)
	return namespace, account, cluster.Token(t, namespace, account, kube.AudienceAuth)
}

func TestWhoIsLetIn(t *testing.T) {
	t.Parallel()
	cluster := testenv.Kubernetes(t)
	namespace, account, token := operator(t, cluster)
	cluster.ServiceAccount(t, namespace, "other")
	f := newFixture(t, cluster.Admin(), "elsewhere/operator", namespace+"/"+account)

	_ = f.answers("the operator", token, http.StatusOK)
	err := f.answers("another account", cluster.Token(t, namespace, "other", kube.AudienceAuth), http.StatusForbidden)
	if err == nil || !strings.Contains(err.Error(), "elsewhere/operator,"+namespace+"/operator") {
		t.Errorf("it does not say who may: %v", err)
	}
	head, payload, signature := split(token)
	_ = f.answers("another's signature", head+"."+payload+"."+strings.Repeat("A", len(signature)), http.StatusUnauthorized)
	f.reviewed("well-formed tokens", 3)

	for what, garbage := range map[string]string{
		"the API server's audience": cluster.Token(t, namespace, account, ""),
		"persistence's audience":    cluster.Token(t, namespace, account, kube.AudiencePersistence),
		"nothing":                   "",
		"a static token":            "the-admin-token",
		"an API key":                "eye_1_0123456789abcdef0123456789abcdef0123456789abcdef_abcdef",
		"dots":                      "..",
		"no base64":                 "!." + payload + "." + signature,
		"no JSON":                   head + ".AAAA." + signature,
		"no signature":              head + "." + payload + ".",
		"four parts":                token + ".AAAA",
		"very long":                 token + strings.Repeat("A", 20_000),
	} {
		_ = f.answers(what, garbage, http.StatusUnauthorized)
	}
	f.reviewed("what is no such token", 3)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header["Authorization"] = []string{"Bearer " + token, "Bearer " + token}
	if f.Authorize(t.Context(), r) == nil {
		t.Error("two headers are let in")
	}
}

func split(token string) (head, payload, signature string) {
	parts := strings.Split(token, ".")
	return parts[0], parts[1], parts[2]
}

func TestDecisionsAreRemembered(t *testing.T) {
	t.Parallel()
	cluster := testenv.Kubernetes(t)
	namespace, account, token := operator(t, cluster)
	f := newFixture(t, cluster.Admin(), namespace+"/"+account)
	hold := make(chan struct{})
	f.wire.set(hold, nil)

	var wg sync.WaitGroup
	ask := func() { _ = f.answers("at the same time", token, http.StatusOK) }
	wg.Go(ask)
	<-f.wire.began // from here on all the others find a review under way, or its answer
	for range 49 {
		wg.Go(ask)
	}
	close(hold)
	wg.Wait()
	f.reviewed("50 at once", 1)
	f.clock.Advance(59 * time.Second)
	_ = f.answers("within a minute", token, http.StatusOK)
	f.reviewed("within a minute", 1)
	f.clock.Advance(2 * time.Second)
	_ = f.answers("after a minute", token, http.StatusOK)
	f.reviewed("after a minute", 2)

	head, payload, signature := split(token)
	forged := head + "." + payload + "." + strings.Repeat("B", len(signature))
	for range 3 {
		_ = f.answers("forged", forged, http.StatusUnauthorized)
	}
	f.reviewed("forged", 3)
	f.clock.Advance(6 * time.Second)
	_ = f.answers("forged again", forged, http.StatusUnauthorized)
	f.reviewed("forged again", 4)

	// The API server takes the token for an hour. By this clock it ends in half a minute, and so does what is known of it.
	f.clock.Advance(time.Hour - 100*time.Second)
	_ = f.answers("near its end", token, http.StatusOK)
	_ = f.answers("near its end again", token, http.StatusOK)
	f.reviewed("near its end", 5)
	f.clock.Advance(35 * time.Second)
	_ = f.answers("past its end", token, http.StatusOK)
	_ = f.answers("past its end again", token, http.StatusOK)
	f.reviewed("past its end nothing is remembered", 7)
}

// TestAtOnceNobodyIsAsked: what is not remembered is refused without a review, and what is remembered stands.
func TestAtOnceNobodyIsAsked(t *testing.T) {
	t.Parallel()
	cluster := testenv.Kubernetes(t)
	namespace, account, token := operator(t, cluster)
	f := newFixture(t, cluster.Admin(), namespace+"/"+account)
	atOnce := func(what string, want int) {
		t.Helper()
		if got, err := ask(atonce.Context(t.Context()), f, token); got != want {
			t.Errorf("%s: %d, want %d: %v", what, got, want, err)
		}
	}
	atOnce("a new token", http.StatusUnauthorized)
	f.reviewed("a new token", 0)
	_ = f.answers("with patience", token, http.StatusOK)
	atOnce("a remembered token", http.StatusOK)
	f.reviewed("a remembered token", 1)
}

func TestDeletedServiceAccount(t *testing.T) {
	t.Parallel()
	cluster := testenv.Kubernetes(t)
	namespace, account, token := operator(t, cluster)
	f := newFixture(t, cluster.Admin(), namespace+"/"+account)
	_ = f.answers("while it is there", token, http.StatusOK)
	gone := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: account}}
	if err := cluster.Client(t).Delete(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	f.eventually("refused", func() bool { // the API server has a memory of its own, of seconds
		f.clock.Advance(time.Minute)
		status, _ := ask(t.Context(), f, token)
		return status == http.StatusUnauthorized
	})
	cluster.ServiceAccount(t, namespace, account) // another one of the same name
	f.clock.Advance(time.Minute)
	_ = f.answers("made again", token, http.StatusUnauthorized)
}

// eventually polls until something holds, at most as long as the API server's memory on a busy machine.
func (f *fixture) eventually(what string, holds func() bool) {
	f.Helper()
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline.C:
			f.Fatalf("never: %s", what)
		}
	}
}

// TestUnreachable is an API server that is away and comes back: 503 all the while, and nothing of it is remembered.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	cluster := testenv.Kubernetes(t)
	namespace, account, token := operator(t, cluster)
	f := newFixture(t, cluster.Admin(), namespace+"/"+account)
	f.wire.set(nil, errors.New("cut"))
	for range 3 {
		_ = f.answers("cut off", token, http.StatusServiceUnavailable)
	}
	f.reviewed("cut off", 3)
	_ = f.answers("cut off, and no token", "the-admin-token", http.StatusUnauthorized)
	f.wire.set(nil, nil)
	_ = f.answers("back", token, http.StatusOK)
	f.wire.set(nil, errors.New("cut"))
	_ = f.answers("cut off again, and known", token, http.StatusOK)
	if n := strings.Count(f.log.String(), "level=WARN"); n != 1 || strings.Count(f.log.String(), "level=INFO") != 1 {
		t.Errorf("an outage is to be logged once:\n%s", f.log)
	}
	closed := cluster.Admin()
	closed.Host = "https://127.0.0.1:1"
	_ = newFixture(t, closed, namespace+"/"+account).answers("closed port", token, http.StatusServiceUnavailable)
}

// TestNotAllowedToReview is a service whose own account lacks the permission: no client is at fault.
func TestNotAllowedToReview(t *testing.T) {
	t.Parallel()
	cluster := testenv.Kubernetes(t)
	namespace, account, token := operator(t, cluster)
	f := newFixture(t, cluster.As(t, namespace, "powerless"), namespace+"/"+account)
	_ = f.answers("reviewed without permission", token, http.StatusServiceUnavailable)
}

// TestClientThatGoesAway leaves while its token is reviewed; who waits with it gets the answer.
func TestClientThatGoesAway(t *testing.T) {
	t.Parallel()
	cluster := testenv.Kubernetes(t)
	namespace, account, token := operator(t, cluster)
	f := newFixture(t, cluster.Admin(), namespace+"/"+account)
	hold := make(chan struct{})
	f.wire.set(hold, nil)
	ctx, leave := context.WithCancel(t.Context())
	left, stayed := make(chan int), make(chan int)
	go func() {
		status, _ := ask(ctx, f, token)
		left <- status
	}()
	<-f.wire.began
	go func() {
		status, _ := ask(t.Context(), f, token)
		stayed <- status
	}()
	leave()
	if status := <-left; status != http.StatusServiceUnavailable {
		t.Errorf("who left: %d", status)
	}
	close(hold)
	if status := <-stayed; status != http.StatusOK {
		t.Errorf("who stayed: %d", status)
	}
	f.reviewed("both", 1)
}

// TestBesideTheStaticToken is how a service asks: whichever is right opens.
func TestBesideTheStaticToken(t *testing.T) {
	t.Parallel()
	cluster := testenv.Kubernetes(t)
	namespace, account, token := operator(t, cluster)
	f := newFixture(t, cluster.Admin(), namespace+"/"+account)
	both := admin.Any(admin.Optional("the-admin-token"), f)
	check := func(what, token string, want int) {
		t.Helper()
		if got, err := ask(t.Context(), both, token); got != want {
			t.Errorf("%s: %d, want %d: %v", what, got, want, err)
		}
	}
	f.wire.set(nil, errors.New("cut"))
	check("the admin token needs no API server", "the-admin-token", http.StatusOK)
	check("a wrong one neither", "wrong", http.StatusUnauthorized)
	check("the operator's, unreviewed", token, http.StatusServiceUnavailable)
	f.wire.set(nil, nil)
	check("the operator's", token, http.StatusOK)
	check("for persistence", cluster.Token(t, namespace, account, kube.AudiencePersistence), http.StatusUnauthorized)
	cluster.ServiceAccount(t, namespace, "other")
	check("another's", cluster.Token(t, namespace, "other", kube.AudienceAuth), http.StatusForbidden)
}
