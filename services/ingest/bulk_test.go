package ingest_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/ingest"
)

// bulk is a request that goes to Redis in its turn.
var bulk = with(`"data":{"a":"` + strings.Repeat("x", 300_000) + `"}`)

// postAtOnce posts n bulk requests and returns what each is answered, and how long the last one waited.
func (d *door) postAtOnce(a application, n int) (answers []answer, took time.Duration) {
	d.Helper()
	type result struct {
		answer
		err error
	}
	results, began := make(chan result, n), time.Now()
	for range n {
		go func() {
			got, err := d.try(http.MethodPost, "/v1/events", strings.NewReader(bulk), "Authorization", "Bearer "+a.key)
			results <- result{got, err}
		}()
	}
	for range n {
		r := <-results
		d.must(r.err)
		answers = append(answers, r.answer)
	}
	return answers, time.Since(began)
}

// TestLargeRequestsWaitNoLongerThanTheirPatience for storage that takes its time, and are told to come again.
func TestLargeRequestsWaitNoLongerThanTheirPatience(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	publishing, stored := make(chan struct{}, 1), make(chan struct{})
	admission := d.narrow(func(context.Context, []byte) error {
		publishing <- struct{}{}
		<-stored
		return nil
	}, ingest.DefaultRequestMemory)
	admission.Patience(50 * time.Millisecond)
	a := d.register(nextUID(), registry.Policy{})
	first := make(chan int, 1)
	go func() {
		got, err := d.try(http.MethodPost, "/v1/events", strings.NewReader(bulk), "Authorization", "Bearer "+a.key)
		if err != nil {
			t.Error(err)
		}
		first <- got.status
	}()
	<-publishing
	answers, _ := d.postAtOnce(a, 4)
	for _, got := range answers {
		d.refusesForNow(got, "service.overloaded")
		if got.header.Get("Retry-After") != "5" {
			t.Errorf("Retry-After %s", got.header.Get("Retry-After"))
		}
	}
	close(stored)
	if status := <-first; status != http.StatusAccepted {
		t.Errorf("the first is answered %d", status)
	}
}

// TestLargeRequestsAreAnsweredWhileRedisIsReadOnly: one tries for the producer's budget, and those that wait behind it
// don't do the same one after the other.
func TestLargeRequestsAreAnsweredWhileRedisIsReadOnly(t *testing.T) {
	t.Parallel()
	const budget = 12 * time.Second // twice the producer's; one after the other they would take 20
	d := newDoor(t)
	a := d.register(nextUID(), registry.Policy{})
	d.must(d.client.Do(t.Context(), "REPLICAOF", "127.0.0.1", "1").Err())
	answers, took := d.postAtOnce(a, 4)
	for _, got := range answers {
		if got.Code != "service.overloaded" { // whose patience ended in the very moment
			d.refusesForNow(got, "service.unavailable")
		}
	}
	if took > budget {
		t.Errorf("the last one is answered after %s", took)
	}
	d.must(d.client.Do(t.Context(), "REPLICAOF", "NO", "ONE").Err())
	d.eventually(func() bool { return d.post(a, bulk).status == http.StatusAccepted })
}
