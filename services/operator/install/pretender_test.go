package install

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/theeye-dev/theeye/api/apikey"
	"github.com/theeye-dev/theeye/api/v1alpha1"
)

// fault is one thing that is wrong with a pretender.
type fault string

const (
	none          fault = ""
	slow          fault = "answers 401 and 503 first"
	alters        fault = "stores another event"
	doubles       fault = "stores a repeated event twice"
	loses         fault = "stores nothing"
	rejects       fault = "rejects the event"
	forbids       fault = "answers 403"
	openDoor      fault = "takes events with any key"
	openQuery     fault = "answers queries with any key"
	neverRevokes  fault = "goes on with a revoked key"
	neverReady    fault = "does not reach auth"
	neverLetsGo   fault = "never finishes a deletion"
	foreignSecret fault = "has another application's Secret"
	hangs         fault = "does not answer"
	givesNoToken  fault = "gives no access token"
	strangeToken  fault = "gives an access token that nobody takes"
	keepsTokens   fault = "goes on with the token of a revoked key"
)

// pretender stands for a TheEye that does not do what it should: what try is there to find. Its operator works on the
// real API server.
type pretender struct {
	*world
	*httptest.Server
	fault fault

	mu     sync.Mutex
	keys   map[string]bool
	events []json.RawMessage
	early  int // requests that a slow one refused
}

const trialName = "theeye-try"

func newPretender(t *testing.T, f fault) *pretender {
	t.Helper()
	p := &pretender{world: newWorld(t), fault: f, keys: map[string]bool{}}
	p.grant(p.home, "try.yaml", trialName)
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	p.start(func(ctx context.Context) error {
		err := p.operate(ctx)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("the operator ended with %v", err)
		}
		return err
	})
	return p
}

// trial is one of this TheEye.
func (p *pretender) trial(timeout time.Duration) *Trial {
	p.t.Helper()
	return &Trial{
		Client: p.client(), Application: client.ObjectKey{Namespace: p.home, Name: trialName}, PersistenceURL: p.URL, HTTP: p.Client(),
		AuthURL: p.URL, Timeout: timeout, Progress: p.progress(),
	}
}

// application is the trial's, if it is there.
func (p *pretender) application(ctx context.Context) (*v1alpha1.Application, error) {
	app := &v1alpha1.Application{}
	err := p.admin.Get(ctx, client.ObjectKey{Namespace: p.home, Name: trialName}, app)
	if apierrors.IsNotFound(err) {
		return nil, nil //nolint:nilnil // not to be there is an answer
	}
	return app, err
}

// operate does what an operator does, until the context ends.
func (p *pretender) operate(ctx context.Context) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		app, err := p.application(ctx)
		if err == nil && app != nil {
			err = p.reconcile(ctx, app)
		}
		if err != nil && ctx.Err() == nil && !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) && !apierrors.IsAlreadyExists(err) {
			return err
		}
	}
}

func (p *pretender) reconcile(ctx context.Context, app *v1alpha1.Application) error {
	switch {
	case app.Labels[trialLabel] == "": // a person's: left alone
		return nil
	case !app.DeletionTimestamp.IsZero():
		return p.letGo(ctx, app)
	case controllerutil.AddFinalizer(app, v1alpha1.Finalizer):
		return p.admin.Update(ctx, app)
	case app.Status.ObservedGeneration == app.Generation:
		return nil
	}
	if err := p.issue(ctx, app); err != nil {
		return err
	}
	ready := metav1.Condition{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonReady}
	if p.fault == neverReady {
		ready = metav1.Condition{
			Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonAuthUnavailable, Message: "auth does not answer",
		}
	}
	ready.LastTransitionTime = metav1.Now()
	app.Status.ObservedGeneration, app.Status.Conditions = app.Generation, []metav1.Condition{ready}
	return p.admin.Status().Update(ctx, app)
}

// issue writes the Secret.
func (p *pretender) issue(ctx context.Context, app *v1alpha1.Application) error {
	key := apikey.New("test", app.ClientID(), "1")
	p.mu.Lock()
	p.keys[key] = true
	p.mu.Unlock()
	data := map[string]string{"client-id": app.ClientID(), "api-key": key, "uri": p.URL + "/v1/events"}
	if p.fault == foreignSecret {
		data["client-id"] = "eye_1"
	}
	return p.admin.Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: app.Namespace, Name: app.SecretName(), OwnerReferences: []metav1.OwnerReference{
			*metav1.NewControllerRef(app, v1alpha1.SchemeGroupVersion.WithKind(v1alpha1.Kind)),
		}}, StringData: data,
	})
}

func (p *pretender) letGo(ctx context.Context, app *v1alpha1.Application) error {
	if p.fault == neverLetsGo {
		return nil
	}
	p.mu.Lock()
	if p.fault != neverRevokes {
		p.keys = map[string]bool{"token": p.fault == keepsTokens}
	}
	p.events = nil
	p.mu.Unlock()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: app.Namespace, Name: app.SecretName()}}
	if err := client.IgnoreNotFound(p.admin.Delete(ctx, secret)); err != nil { // the garbage collector's work
		return err
	}
	controllerutil.RemoveFinalizer(app, v1alpha1.Finalizer)
	return p.admin.Update(ctx, app)
}

// ServeHTTP is ingest, persistence and auth.
func (p *pretender) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if p.fault == hangs {
		_, _ = io.Copy(io.Discard, r.Body) // or the server does not see that the client goes away
		<-r.Context().Done()
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	posts := r.Method == http.MethodPost
	open := p.fault == openDoor && posts || p.fault == openQuery && !posts
	if p.early++; p.fault == slow && p.early <= 4 {
		http.Error(w, "not yet", []int{http.StatusUnauthorized, http.StatusServiceUnavailable}[p.early%2])
		return
	}
	switch {
	case r.URL.Path == tokenPath:
		p.exchange(w, r)
	case !p.keys[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")] && !open:
		http.Error(w, "who are you?", http.StatusUnauthorized)
	case posts:
		p.take(w, r)
	default:
		events := slices.Clone(p.events)
		if p.fault == loses {
			events = nil
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"events": events})
	}
}

// exchange gives an access token for a key.
func (p *pretender) exchange(w http.ResponseWriter, r *http.Request) {
	_, key, _ := r.BasicAuth()
	switch {
	case !p.keys[key] || r.FormValue("grant_type") != "client_credentials" || p.fault == givesNoToken:
		http.Error(w, `{"error":"unauthorized_client"}`, http.StatusBadRequest)
		return
	case p.fault != strangeToken:
		p.keys["token"] = true
	}
	fmt.Fprint(w, `{"access_token":"token"}`)
}

// take stores events, each once, and notes their session in the order of the request.
func (p *pretender) take(w http.ResponseWriter, r *http.Request) {
	var events []json.RawMessage
	if err := json.NewDecoder(r.Body).Decode(&events); err != nil || len(events) == 0 {
		http.Error(w, "no events", http.StatusBadRequest)
		return
	}
	switch p.fault {
	case forbids:
		http.Error(w, "suspended", http.StatusForbidden)
		return
	case rejects:
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprint(w, `{"accepted":0,"rejected":1}`)
		return
	case alters:
		events[0] = json.RawMessage(strings.Replace(string(events[0]), "1.5", "1.50001", 1))
	default: // takes them
	}
	for _, event := range events {
		known := slices.ContainsFunc(p.events, func(e json.RawMessage) bool { return string(e) == string(event) })
		if !known || p.fault == doubles {
			p.events = append(p.events, event)
		}
	}
	w.WriteHeader(http.StatusAccepted)
	fmt.Fprintf(w, `{"accepted":%d,"rejected":0}`, len(events))
}
