package kube_test

import (
	"testing"

	"github.com/theeye-dev/theeye/services/internal/kube"
)

// TestQuestionsByNameAreBounded for each person, whatever their token; what is about whole namespaces, or known to be
// allowed, is answered all the same, and so are others.
func TestQuestionsByNameAreBounded(t *testing.T) {
	t.Parallel()
	c := newCrowd(t)
	home := c.cluster.Namespace(t)
	c.cluster.ServiceAccount(t, home, "jane")
	c.cluster.ServiceAccount(t, home, "joe")
	jane := c.identified("jane", c.cluster.Token(t, home, "jane", ""), 200)
	again := c.identified("jane by another token", c.cluster.Token(t, home, "jane", ""), 200)
	joe := c.identified("joe", c.cluster.Token(t, home, "joe", ""), 200)
	_ = c.bind(home, home, "jane", reads("web"))
	c.eventually(jane, permission("get", home, "web"), 200)

	spent := func(asker *kube.User, name string) bool {
		for range 5000 { // far more than there is at once; while it is remembered, it is refused faster than it is had again
			if statusOf(c.Allow(t.Context(), asker, permission("get", home, name))) == 429 {
				return true
			}
		}
		return false
	}
	if !spent(jane, "one") || !spent(again, "another") {
		t.Fatal("there is no end of questions by name")
	}
	if err := c.Allow(t.Context(), jane, permission("get", home, "web")); err != nil {
		t.Errorf("what is known to be allowed: %v", err)
	}
	if err := c.Allow(t.Context(), jane, permission("list", home, "")); statusOf(err) != 403 {
		t.Errorf("about the namespace: %v", err)
	}
	if err := c.Allow(t.Context(), joe, permission("get", home, "app-1")); statusOf(err) != 403 {
		t.Errorf("another person: %v", err)
	}
}
