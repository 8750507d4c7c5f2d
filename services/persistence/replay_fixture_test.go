package persistence

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	metricnoop "go.opentelemetry.io/otel/metric/noop"

	"github.com/theeye-dev/theeye/api/apikey"
	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/check"
	"github.com/theeye-dev/theeye/services/internal/fault"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// book is the policies of the day.
type book map[uuid.UUID]registry.Policy

func (book) Ready() error { return nil }

func (b book) Rules(application uuid.UUID) (*registry.Application, *check.Rules) {
	policy, ok := b[application]
	if !ok {
		return nil, nil
	}
	return &registry.Application{UID: application, Policy: policy}, check.Of(&policy, nil)
}

// lax lets in what has a path that is a number or a text; strict a text alone.
const (
	lax    = `{"type":"object","properties":{"path":{"type":["string","number"]}}}`
	strict = `{"type":"object","properties":{"path":{"type":"string"}}}`
)

func declared(schema string) registry.Policy {
	return registry.Policy{EventTypes: []registry.EventType{{Category: "page", Name: "view", Schema: registry.Schema(schema)}}}
}

// replayer returns one replica's, which makes no pause.
func (f *fixture) replayer(store *Postgres, rules rulebook) *Replayer {
	f.Helper()
	r, err := NewReplayer(store, rules, time.Now, slog.New(slog.DiscardHandler), metricnoop.Meter{})
	f.must(err)
	r.pause = 0
	return r
}

// mismatched is an event that a schema refused.
func mismatched(id, session, members string) event.Item {
	i := item(id, session, members)
	i.Refusal = &event.Refusal{Code: event.CodeSchemaMismatch, Detail: "type: must be of type string, not number", Pointer: "/data/path"}
	return i
}

const numeric = `"data":{"path":1}`

// refuse stores refused events and returns the sequences of their Failures.
func (f *fixture) refuse(application uuid.UUID, items ...event.Item) (ids []event.Sequence) {
	f.Helper()
	request := f.request(application, items...)
	f.insert(request)
	for n := range items {
		ids = append(ids, event.Nth(request.Sequence, n))
	}
	return ids
}

// one replays a Failure as an administrator does.
func (f *fixture) one(r *Replayer, id event.Sequence, dryRun bool) *Attempt {
	f.Helper()
	a, err := r.One(f.Context(), oneReplay{failureQuestion{id: id}, dryRun})
	f.must(err)
	return a
}

// state tells what is known of a Failure: its state, its last outcome and why.
func (f *fixture) state(id event.Sequence) string {
	f.Helper()
	found, err := f.store.Failure(f.Context(), failureQuestion{id: id})
	f.must(err)
	switch {
	case found == nil:
		return "none"
	case found.Attempt == nil:
		return found.State
	}
	text := found.State + " " + string(found.Attempt.Outcome)
	if found.Attempt.Code != "" {
		text += " " + found.Attempt.Code
	}
	return text
}

// begin asks for a replay of what is received until now, and a little later: of a clock that runs.
func (f *fixture) begin(r *Replayer, q Query) *Replay {
	f.Helper()
	replay, err := r.Begin(f.Context(), q)
	f.must(err)
	return replay
}

// steps lets a replica do chunks until nothing is left to do.
func (f *fixture) steps(r *Replayer) (n int) {
	f.Helper()
	for {
		left, err := r.step(f.Context())
		f.must(err)
		if !left {
			return n
		}
		n++
	}
}

func (f *fixture) progress(id uuid.UUID) *Replay {
	f.Helper()
	replay, err := f.store.Replay(f.Context(), replayQuestion{id: id})
	f.must(err)
	return replay
}

// send makes a request without a body and reads the answer into a value.
func (l *library) send(method, token, path string, into any) (status int, code fault.Code, header http.Header) {
	l.Helper()
	request, err := http.NewRequestWithContext(l.Context(), method, l.url+path, nil)
	l.must(err)
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := testenv.HTTP(l).Do(request)
	l.must(err)
	defer response.Body.Close() //nolint:errcheck // only read
	body, err := io.ReadAll(response.Body)
	l.must(err)
	if response.StatusCode >= http.StatusBadRequest {
		var problem fault.Problem
		l.must(json.Unmarshal(body, &problem))
		return response.StatusCode, problem.Code, response.Header
	}
	if into != nil {
		l.must(json.Unmarshal(body, into))
	}
	return response.StatusCode, "", response.Header
}

// declare changes an application's policy as auth does, and waits until the library's keyring has it.
func (l *library) declare(client redis.UniversalClient, uid uuid.UUID, name string, revision int64, policy registry.Policy) {
	l.Helper()
	record, err := json.Marshal(registry.Application{
		UID: uid, Namespace: "shop", Name: name, ClientID: apikey.ClientID(uid), Revision: revision, Policy: policy,
		Credentials: []registry.Credential{{ID: "1", SHA256: registry.Digest(apikey.HashOf(l.keys[uid]))}},
	})
	l.must(err)
	ctx := l.Context()
	previous, err := client.HGet(ctx, registry.LatestKey, registry.FieldTail).Result()
	if err == redis.Nil { //nolint:errorlint // as go-redis documents it
		previous = "0-0"
	} else {
		l.must(err)
	}
	id, err := client.XAdd(ctx, &redis.XAddArgs{
		Stream: registry.LogKey, Values: []any{registry.FieldRecord, record, registry.FieldPrevious, previous},
	}).Result()
	l.must(err)
	l.must(client.HSet(ctx, registry.LatestKey, uid.String(), record, registry.FieldTail, id).Err())
	l.eventually("the policy is known", func() bool {
		a, _ := l.ring.Rules(uid)
		return a != nil && a.Revision == revision
	})
}

// eventually waits for what comes from elsewhere.
func (f *fixture) eventually(what string, so func() bool) {
	f.Helper()
	deadline, retry := time.NewTimer(time.Minute), time.NewTicker(5*time.Millisecond)
	defer deadline.Stop()
	defer retry.Stop()
	for !so() {
		select {
		case <-retry.C:
		case <-deadline.C:
			f.Fatalf("waited for a minute until %s", what)
		}
	}
}

// run lets something run until the test's end.
func (f *fixture) run(do func(context.Context) error) {
	f.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(f.Context()))
	ended := make(chan error, 1)
	go func() { ended <- do(ctx) }()
	f.Cleanup(func() {
		cancel()
		f.must(<-ended)
	})
}

// unread is the rules before the application log was read.
type unread struct{ book }

func (unread) Ready() error {
	return fault.New(fault.CodeStarting, "the application log has not been read yet")
}
