package services_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/theeye-dev/theeye/api/client"
	"github.com/theeye-dev/theeye/api/registry"
)

// TestBadEventIsPutRight is the story of a bad event, through all services and the Go client: it is refused with a verdict,
// seen with the schema that refused it, which is put right; a dry run tells so, and its replay stores it with the id and
// the received time that it had. A filter does the same with the others.
func TestBadEventIsPutRight(t *testing.T) {
	t.Parallel()
	s := newSystem(t, "")
	policy := func(kind string) registry.Policy {
		return registry.Policy{EventTypes: []registry.EventType{{
			Category: "page", Name: "view", Schema: registry.Schema(`{"type":"object","properties":{"path":{"type":"` + kind + `"}}}`),
		}}}
	}
	a := s.register("web-shop", policy("string"))
	bad := func(id string) string {
		return `{"id":"` + id + `","session_id":"s","category":"page","name":"view","data":{"path":1}}`
	}
	if status, body := s.post(a, "["+bad("order-1")+","+bad("order-2")+","+bad("order-3")+"]"); status != http.StatusUnprocessableEntity {
		t.Fatalf("bad events are answered %d %s", status, body)
	}
	reader, err := client.NewReader(client.Config{URL: s.persistence.URL, Key: client.StaticKey(a.key)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(reader.CloseIdleConnections)
	ids := map[string]string{}
	eventually(t, func() error {
		for f, err := range reader.Failures(t.Context(), url.Values{"code": {"schema.mismatch"}, "state": {"open"}}) {
			if err != nil {
				return err
			}
			ids[f.EventID] = f.ID
		}
		if len(ids) != 3 {
			return fmt.Errorf("%d failures", len(ids))
		}
		return nil
	})
	var failure client.Failure
	eventually(t, func() (err error) { // persistence follows the same log as ingest
		failure, err = reader.Failure(t.Context(), ids["order-1"])
		if err == nil && (failure.Schema == nil || !failure.SchemaCurrent) {
			err = fmt.Errorf("the schema is not shown: %+v", failure)
		}
		return err
	})
	if string(failure.Schema) != string(policy("string").EventTypes[0].Schema) || failure.Original != bad("order-1") {
		t.Errorf("%+v", failure)
	}
	outcome := func(dryRun bool, want string) func() error {
		return func() error {
			got, err := reader.ReplayFailure(t.Context(), ids["order-1"], dryRun)
			if err == nil && got.Outcome != want {
				err = fmt.Errorf("a replay (dry run: %t) says %+v, want %s", dryRun, got, want)
			}
			return err
		}
	}
	eventually(t, outcome(true, "refused"))
	s.mustAdmin(http.MethodPut, a.path(), registry.DesiredApplication{Namespace: "shop", Name: "web-shop", Policy: policy("number")})
	eventually(t, outcome(true, "stored"))
	if err := outcome(false, "stored")(); err != nil {
		t.Fatal(err)
	}
	found := s.awaitEvents(a, url.Values{"session_id": {"s"}}, 1)
	if found[0].ID != "order-1" {
		t.Errorf("found %+v", found)
	}
	status, body := s.do(http.MethodGet, s.persistence.URL+"/v1/events/order-1", "Bearer "+a.key, nil)
	var history struct {
		Event struct {
			ReceivedAt time.Time `json:"received_at"`
			StoredAt   time.Time `json:"stored_at"`
		}
	}
	if err := json.Unmarshal(body, &history); err != nil || status != http.StatusOK || !history.Event.ReceivedAt.Equal(failure.ReceivedAt) || !history.Event.StoredAt.After(failure.ReceivedAt) {
		t.Errorf("its history is %d %s, %v", status, body, err)
	}

	replay, err := reader.BeginReplay(t.Context(), url.Values{"code": {"schema.mismatch"}}, false)
	if err != nil || replay.Total != 2 {
		t.Fatalf("%+v, %v", replay, err)
	}
	eventually(t, func() error {
		if replay, err = reader.Replay(t.Context(), replay.ID); err == nil && replay.State != "finished" {
			err = fmt.Errorf("the replay is %+v", replay)
		}
		return err
	})
	if replay.Done != 2 || replay.Outcomes["stored"] != 2 {
		t.Errorf("%+v", replay)
	}
	s.awaitEvents(a, url.Values{"session_id": {"s"}}, 3)
	if failure, err = reader.Failure(t.Context(), ids["order-2"]); err != nil || failure.State != "replayed" || failure.Attempt == nil || failure.Attempt.Outcome != "stored" || failure.SchemaCurrent {
		t.Errorf("%+v, %v", failure, err)
	}
	if sum := s.metric(s.persistence, "theeye_replayed_total"); sum != 3 {
		t.Errorf("theeye_replayed_total is %v", sum)
	}
}
