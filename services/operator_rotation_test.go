package services_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/api/v1alpha1"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// pace of the client that posts through rotations: fifty events a second.
const pace = 20 * time.Millisecond

// poster is a client app that posts without end, and reads its Secret again only when it is told to.
type poster struct {
	o *operated

	mu       sync.Mutex
	with     application
	accepted map[string]int // by key
	refused  error          // the first answer that was no 202
}

// run posts until the context ends.
func (p *poster) run(ctx context.Context) {
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		a := p.current()
		status, body := p.o.post(a, basket(strconv.Itoa(n)))
		p.note(a.key, status, body)
	}
}

func (p *poster) note(key string, status int, body []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case status == http.StatusAccepted:
		p.accepted[key]++
	case p.refused == nil:
		p.refused = fmt.Errorf("an event was answered %d %s", status, body)
	}
}

func (p *poster) current() application {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.with
}

func (p *poster) reread(a application) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.with = a
}

// posted tells how many events were accepted with a key, and what else was answered.
func (p *poster) posted(key string) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.accepted[key], p.refused
}

// A client that posts without end and rereads its Secret late, within the overlap, is never refused. What it uses is
// seen: the old secret, while it does, and after the overlap nobody uses that any more.
func TestRotationUnderLoad(t *testing.T) {
	t.Parallel()
	namespace := testenv.Kubernetes(t).Namespace(t)
	o := newOperated(t, []string{namespace}, "--usage-interval=1s")
	o.create(namespace, "web-shop", "{credentials: {rotation: {overlap: 12s}}}")
	p := &poster{o: o, with: o.accepted(namespace, "web-shop"), accepted: map[string]int{}}
	ctx, cancel := context.WithCancel(t.Context())
	var posting sync.WaitGroup
	posting.Go(func() { p.run(ctx) })
	defer posting.Wait()
	defer cancel()
	const rotations = 3
	for n := range rotations {
		rotate(t, p, namespace, n+1)
	}
	cancel()
	posting.Wait()
	if _, err := p.posted(""); err != nil {
		t.Error(err)
	}
	if len(p.accepted) != rotations+1 {
		t.Errorf("events were accepted with %d keys, want %d", len(p.accepted), rotations+1)
	}
	eventually(t, func() error { // persistence knows which credential was used, all of them
		var usage registry.Usage
		o.asOperator(http.MethodGet, o.persistence.URL+p.with.path()+"/usage", persistenceAudience, nil, &usage)
		var used []string
		for _, c := range usage.Credentials {
			used = append(used, c.ID)
		}
		slices.Sort(used)
		if diff := cmp.Diff([]string{"1", "2", "3", "4"}, used); diff != "" {
			return errors.New(diff)
		}
		return nil
	})
	for key := range p.accepted {
		o.keepsSecret(key)
	}
}

// rotate asks for the n-th rotation and follows it to its end. The client rereads after the status has said that it
// uses the old secret still.
func rotate(t *testing.T, p *poster, namespace string, n int) {
	t.Helper()
	o, old := p.o, p.current()
	o.cluster.Kubectl(t, "annotate", "eyeapp", "web-shop", "-n", namespace, "--overwrite", "theeye.dev/rotate="+strconv.Itoa(n))
	var fresh application
	eventually(t, func() (err error) {
		if fresh, err = o.reads(namespace, "web-shop"); err == nil && fresh.key == old.key {
			err = errors.New("the Secret has the old key")
		}
		return err
	})
	if fresh.clientID != old.clientID {
		t.Errorf("the client id was %s and is %s", old.clientID, fresh.clientID)
	}
	o.await(namespace, "web-shop", v1alpha1.ConditionPreviousSecretInUse, metav1.ConditionTrue, v1alpha1.ReasonInUse)
	before, _ := p.posted(old.key)
	if err := o.answers(fresh, http.StatusAccepted); err != nil {
		t.Errorf("the new key during the overlap: %v", err)
	}
	eventually(t, func() error { // both are good at once
		if after, _ := p.posted(old.key); after == before {
			return errors.New("nothing was posted with the old key")
		}
		return nil
	})
	p.reread(fresh)
	eventually(t, func() error { return o.answers(old, http.StatusUnauthorized) })
	if after, err := p.posted(fresh.key); after == 0 || err != nil {
		t.Errorf("%d events were accepted with the new key; then %v", after, err)
	}
	eventually(t, func() error { // the old one is settled: another rotation can begin at once
		app := o.await(namespace, "web-shop", v1alpha1.ConditionCredentialsPublished, metav1.ConditionTrue, v1alpha1.ReasonPublished)
		if c := app.Status.Credentials; len(c) != 1 || c[0].ID != strconv.Itoa(n+1) || c[0].State != v1alpha1.CredentialActive {
			return fmt.Errorf("credentials are %+v", c)
		}
		return nil
	})
}
