package workload

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/apikey"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/hack/chaos/history"
)

// application is a client app with its credentials.
type application struct {
	uid      uuid.UUID
	clientID string

	mu   sync.Mutex
	next int
	live []credential // the newest last
	dead []credential // revoked
}

type credential struct{ id, key string }

// anyLive returns one of the valid credentials.
func (a *application) anyLive(random *rand.Rand) credential {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.live[random.IntN(len(a.live))]
}

// newestDead returns the credential that was revoked last, if there is one.
func (a *application) newestDead() (credential, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.dead) == 0 {
		return credential{}, false
	}
	return a.dead[len(a.dead)-1], true
}

// forged returns a key that was never registered.
func (a *application) forged() credential {
	return credential{"", apikey.New("chaos", a.clientID, "x")}
}

// Register makes the applications known, each with one credential, and waits until every door takes it.
func (w *Workload) Register(ctx context.Context) error {
	for i := range applications {
		uid := uuid.New()
		a := &application{uid: uid, clientID: apikey.ClientID(uid)}
		desired := registry.DesiredApplication{Namespace: "chaos", Name: "app" + strconv.Itoa(i)}
		if err := w.insist(ctx, http.MethodPut, w.path(a), desired); err != nil {
			return fmt.Errorf("register application: %w", err)
		}
		if err := w.issue(ctx, a); err != nil {
			return fmt.Errorf("register application: %w", err)
		}
		w.apps = append(w.apps, a)
	}
	return nil
}

// Key is an API key of the first application, once it is registered.
func (w *Workload) Key() string { return w.apps[0].live[0].key }

func (w *Workload) path(a *application) string {
	return w.options.AuthURL + "/v1/applications/" + a.uid.String()
}

// issue adds a credential.
func (w *Workload) issue(ctx context.Context, a *application) error {
	a.next++
	id := strconv.Itoa(a.next)
	c := credential{id, apikey.New("chaos", a.clientID, id)}
	desired := registry.DesiredCredential{SHA256: registry.Digest(apikey.HashOf(c.key))}
	if err := w.insist(ctx, http.MethodPut, w.path(a)+"/credentials/"+id, desired); err != nil {
		return err
	}
	w.life(a, c, history.Issued)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.live = append(a.live, c)
	return nil
}

// revoke takes the oldest credential away. One of which nobody knows whether it is gone is neither live nor dead.
func (w *Workload) revoke(ctx context.Context, a *application) error {
	a.mu.Lock()
	c := a.live[0]
	a.live = a.live[1:]
	a.mu.Unlock()
	w.life(a, c, history.Revoking)
	if err := w.insist(ctx, http.MethodDelete, w.path(a)+"/credentials/"+c.id, nil); err != nil {
		return err
	}
	w.life(a, c, history.Revoked)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.dead = append(a.dead, c)
	return nil
}

func (w *Workload) life(a *application, c credential, step history.Step) {
	w.write(history.Line{Credential: &history.Credential{
		At: w.options.Now(), Application: a.uid.String(), ID: c.id, Step: step,
	}})
}

// overlap is how long both credentials of a rotation are valid: a few hundred requests.
const overlap = 1500 * time.Millisecond

// rotate gives one application after the other a new credential and takes the old one away.
func (w *Workload) rotate(ctx context.Context, random *rand.Rand) {
	for pause(ctx, overlap) {
		a := w.apps[random.IntN(len(w.apps))]
		if w.issue(ctx, a) != nil || !pause(ctx, overlap) || w.revoke(ctx, a) != nil {
			return // the run has ended
		}
	}
}

// insistEvery is how often a change is tried that auth did not confirm.
const insistEvery = 100 * time.Millisecond

// insist asks auth until it has confirmed, as the operator does.
func (w *Workload) insist(ctx context.Context, method, url string, desired any) error {
	for {
		err := w.admin(ctx, method, url, desired)
		if err == nil {
			return nil
		}
		if !pause(ctx, insistEvery) {
			return fmt.Errorf("%s %s: %w", method, url, err)
		}
	}
}

func (w *Workload) admin(ctx context.Context, method, url string, desired any) error {
	var body bytes.Buffer
	if desired != nil {
		if err := json.NewEncoder(&body).Encode(desired); err != nil {
			return fmt.Errorf("encode: %w", err)
		}
	}
	request, err := http.NewRequestWithContext(ctx, method, url, &body)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+w.options.AdminToken)
	request.Header.Set("Content-Type", "application/json")
	response, err := w.client.Do(request)
	if err != nil {
		return err //nolint:wrapcheck // says method and URL itself
	}
	defer response.Body.Close() //nolint:errcheck // read to its end
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	gone := method == http.MethodDelete && response.StatusCode == http.StatusNotFound // by an attempt whose answer got lost
	if response.StatusCode/100 != 2 && !gone {
		return fmt.Errorf("answered %d %.200s", response.StatusCode, answer)
	}
	return nil
}
