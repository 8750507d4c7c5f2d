package testenv

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/theeye-dev/theeye/hack/servers"
)

// Request is one request that the API server got, as its audit log has it.
type Request struct {
	Verb          string // get, list, watch, create, update, patch, delete, deletecollection
	Group         string // of the API; empty: the core
	Resource      string // empty: no resource was asked for; see URI
	Subresource   string
	Namespace     string // empty: all of them, or the resource has none
	Name          string // empty in a list, also where a field selector chooses one object
	LabelSelector string
	FieldSelector string
	URI           string // path and query
	Code          int    // of the answer, for a watch of its beginning; 0: a watch that has not begun
}

// Requests returns every request that a user made so far, oldest first, those that were refused, too; Username names a
// service account. It waits until all have their answer, or, when they are watches, until they are known.
func (c *Cluster) Requests(t testing.TB, username string) []Request {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	var requests []Request
	err := servers.Await(ctx, nil, "", func(context.Context) (err error) {
		requests, err = readAudit(c.plane.AuditLog(), username)
		if err != nil {
			return err
		}
		return answered(requests)
	})
	if err != nil {
		t.Fatalf("testenv: read audit log: %v", err)
	}
	return requests
}

func answered(requests []Request) error {
	for _, r := range requests {
		if r.Code == 0 && r.Verb != "watch" {
			return fmt.Errorf("%s %s has no answer yet", r.Verb, r.URI)
		}
	}
	return nil
}

// auditEvent is what is read of an event of audit.k8s.io/v1. A request has several, for it to be known as soon as it
// is received.
type auditEvent struct {
	AuditID    string `json:"auditID"`
	RequestURI string `json:"requestURI"`
	Verb       string `json:"verb"`
	User       struct {
		Username string `json:"username"`
	} `json:"user"`
	ObjectRef struct {
		Resource    string `json:"resource"`
		Namespace   string `json:"namespace"`
		Name        string `json:"name"`
		APIGroup    string `json:"apiGroup"`
		Subresource string `json:"subresource"`
	} `json:"objectRef"`
	ResponseStatus struct {
		Code int `json:"code"`
	} `json:"responseStatus"`
}

// longestEvent is far above what a request without its body takes.
const longestEvent = 1 << 20

func readAudit(path, username string) ([]Request, error) {
	log, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	defer log.Close() //nolint:errcheck // only read
	var requests []Request
	seen := map[string]int{} // audit id → index
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, longestEvent)
	for lines.Scan() {
		if !strings.Contains(lines.Text(), username) {
			continue // cheaper than reading all of it
		}
		var event auditEvent
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil {
			return nil, fmt.Errorf("decode: %w", err) // the last line may be half written
		}
		if event.User.Username != username {
			continue
		}
		index, known := seen[event.AuditID]
		if !known {
			index = len(requests)
			seen[event.AuditID], requests = index, append(requests, event.request())
		}
		requests[index].Code = event.ResponseStatus.Code
	}
	return requests, lines.Err()
}

func (e auditEvent) request() Request {
	r := Request{
		Verb: e.Verb, Group: e.ObjectRef.APIGroup, Resource: e.ObjectRef.Resource, Subresource: e.ObjectRef.Subresource,
		Namespace: e.ObjectRef.Namespace, Name: e.ObjectRef.Name, URI: e.RequestURI,
	}
	if uri, err := url.ParseRequestURI(e.RequestURI); err == nil {
		query := uri.Query()
		r.LabelSelector, r.FieldSelector = query.Get("labelSelector"), query.Get("fieldSelector")
	}
	return r
}
