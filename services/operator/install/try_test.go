package install

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/theeye-dev/theeye/api/v1alpha1"
)

// briefly is a time-out that a test can wait for, and long enough for all that works.
const briefly = 10 * time.Second

// A trial of a TheEye that works succeeds and says so step by step, also when it takes a moment to be ready. Nothing is
// left of it, and it needs every right that it has.
func TestTrial(t *testing.T) {
	t.Parallel()
	for _, f := range []fault{none, slow} {
		t.Run(string(f), func(t *testing.T) {
			t.Parallel()
			p := newPretender(t, f)
			if err := p.trial(patience).Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			for _, text := range []string{
				"ok: the operator made it Ready (", "ok: persistence gives back exactly this event (", "ok: the same event sent again is stored once (",
				"ok: auth gives an access token for them, and it opens both doors (", "ok: a wrong key is refused (", "ok: its key is refused from then on (", "TheEye works: all in ",
			} {
				p.lines.await(t, text)
			}
			p.leavesNothing()
			p.judge()
		})
	}
}

func (p *pretender) leavesNothing() {
	p.t.Helper()
	if app, err := p.application(p.t.Context()); app != nil || err != nil {
		p.t.Errorf("the Application is still there: %+v, %v", app, err)
	}
}

// Every fault is found and told in words that lead to it, and the Application is cleared away all the same.
func TestTrialFindsFaults(t *testing.T) {
	t.Parallel()
	for f, want := range map[fault]string{
		alters:        "not seen: persistence gives back exactly this event: other events are stored than were sent",
		doubles:       "not seen: the same event sent again is stored once: 3 events are stored in place of 2",
		loses:         "in vain for what was accepted to be stored: 0 of 1 events",
		rejects:       "not seen: ingest accepts an event with them: of 1 events not all were accepted: 202",
		forbids:       "/v1/events is answered 403 suspended",
		openDoor:      "not seen: a wrong key is refused: POST",
		openQuery:     "not seen: a wrong key is refused: GET",
		neverRevokes:  "not seen: its key is refused from then on: waited",
		givesNoToken:  `and it opens both doors: POST URL/v1/token is answered 400 {"error":"unauthorized_client"}`,
		strangeToken:  "not seen: auth gives an access token for them, and it opens both doors: waited",
		keepsTokens:   "not seen: its key is refused from then on: waited",
		neverReady:    "(Ready is False, AuthUnavailable: auth does not answer)",
		foreignSecret: "has not client-id, api-key and uri of the Application",
		hangs:         "not seen: ingest accepts an event with them: waited",
	} {
		t.Run(string(f), func(t *testing.T) {
			t.Parallel()
			p := newPretender(t, f)
			err := p.start(p.trial(briefly).Run).end()
			if want := strings.ReplaceAll(want, "URL", p.URL); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("it ended with %v, want %q", err, want)
			}
			if strings.Contains(p.lines.String(), "TheEye works") {
				t.Error("it says that TheEye works")
			}
			p.leavesNothing()
		})
	}
}

// A deletion that does not end is told, with what to do.
func TestTrialThatLeavesSomething(t *testing.T) {
	t.Parallel()
	p := newPretender(t, neverLetsGo)
	ctx, cancel := context.WithCancel(t.Context())
	run := p.start(func(context.Context) error { return p.trial(patience).Run(ctx) })
	p.lines.await(t, "waiting for the operator to let go of Application "+p.home+"/"+trialName)
	cancel() // as by a SIGTERM
	if err := run.end(); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "the Application and its events are gone: interrupted") {
		t.Errorf("it ended with %v", err)
	}
	p.lines.await(t, "kubectl delete eyeapp -n "+p.home+" "+trialName)
}

// What an earlier trial left is cleared away first, and an Application that no trial made is never touched.
func TestTrialClearsUp(t *testing.T) {
	t.Parallel()
	p := newPretender(t, none)
	left := &v1alpha1.Application{ObjectMeta: metav1.ObjectMeta{
		Namespace: p.home, Name: trialName, Labels: map[string]string{trialLabel: "true"}, Finalizers: []string{v1alpha1.Finalizer},
	}}
	p.create(left)
	if err := p.trial(patience).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.lines.await(t, "deleting the Application that a trial left")
	p.leavesNothing()

	persons := &v1alpha1.Application{ObjectMeta: metav1.ObjectMeta{Namespace: p.home, Name: trialName}}
	p.create(persons)
	err := p.trial(patience).Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "Application "+p.home+"/"+trialName+" is there and no trial made it: choose another name") {
		t.Errorf("it ended with %v", err)
	}
	now := persons.DeepCopy()
	if err := p.admin.Get(t.Context(), client.ObjectKeyFromObject(now), now); err != nil || now.UID != persons.UID ||
		now.Generation != persons.Generation || !now.DeletionTimestamp.IsZero() {
		t.Errorf("the person's Application is %+v: %v", now, err)
	}
}

// Without TheEye's type there is nothing to try. Not parallel: the other tests need the type.
func TestTrialWithoutTheType(t *testing.T) {
	p := newPretender(t, none)
	defer p.withoutTheType()()
	if err := p.trial(patience).Run(t.Context()); err == nil || !strings.Contains(err.Error(), "the cluster has no Applications") {
		t.Errorf("it ended with %v", err)
	}
}
