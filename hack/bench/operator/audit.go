package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// requests are counts, by what was asked.
type requests map[string]int

func (r requests) total() (n int) {
	for _, count := range r {
		n += count
	}
	return n
}

// asked is what one user asked the API server. Watches and leases are kept apart: they are there for as long as the
// operator is, however many Applications there are.
type asked struct {
	Requests requests `json:"requests"` // by verb and resource
	Refused  requests `json:"refused,omitempty"`
	Watches  int      `json:"watches"` // begun
	Leases   int      `json:"leases"`  // and the events by which an election is told of
}

func newAsked() *asked { return &asked{Requests: requests{}, Refused: requests{}} }

// writes are requests that change something.
func (a *asked) writes() (n int) {
	for what, count := range a.Requests {
		switch verb, _, _ := strings.Cut(what, " "); verb {
		case "create", "update", "patch", "delete", "deletecollection":
			n += count
		}
	}
	return n
}

func (a *asked) add(b *asked) {
	for what, count := range b.Requests {
		a.Requests[what] += count
	}
	for what, count := range b.Refused {
		a.Refused[what] += count
	}
	a.Watches += b.Watches
	a.Leases += b.Leases
}

// auditLog reads the API server's audit log from where it was read last.
type auditLog struct {
	path    string
	file    *os.File
	reader  *bufio.Reader
	rest    []byte // of a line that is not whole yet
	rotated int    // how many times the API server has begun a new file
}

func openAuditLog(path string) (*auditLog, error) {
	l := &auditLog{path: path}
	return l, l.open()
}

func (l *auditLog) open() (err error) {
	if l.file, err = os.Open(l.path); err != nil {
		return fmt.Errorf("open audit log: %w", err)
	}
	const buffer = 1 << 20
	l.reader = bufio.NewReaderSize(l.file, buffer)
	return nil
}

func (l *auditLog) close() error { return l.file.Close() }

// take returns what each user has asked since the last time.
func (l *auditLog) take() (map[string]*asked, error) {
	by := map[string]*asked{}
	for {
		if err := l.read(by); err != nil {
			return nil, err
		}
		more, err := l.next()
		if err != nil || !more {
			return by, err
		}
	}
}

func (l *auditLog) read(by map[string]*asked) error {
	for {
		line, err := l.reader.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			l.rest = append(l.rest, line...)
			return nil
		}
		if err != nil {
			return fmt.Errorf("read audit log: %w", err)
		}
		if len(l.rest) > 0 {
			line = append(l.rest, line...)
			l.rest = nil
		}
		if err := count(line, by); err != nil {
			return err
		}
	}
}

// next goes on to the new file when the API server has put the one at hand aside, at 100 MB. Two at once would be a gap.
func (l *auditLog) next() (bool, error) {
	aside, err := filepath.Glob(strings.TrimSuffix(l.path, ".log") + "-*.log")
	if err != nil || len(aside) == l.rotated {
		return false, err
	}
	if len(aside) > l.rotated+1 {
		return false, errors.New("the audit log grew faster than it was read: requests are missing")
	}
	l.rotated++
	return true, errors.Join(l.close(), l.open())
}

// auditEvent is what is read of an event of audit.k8s.io/v1.
type auditEvent struct {
	Verb  string
	Stage string
	User  struct{ Username string }
	// ObjectRef is nil for what is no resource: the description of the API.
	ObjectRef      *struct{ APIGroup, Resource, Subresource string }
	ResponseStatus struct{ Code int }
}

// count counts a request when it is received, and again, as refused, when it is answered so. Not to find something is
// an answer that is asked for.
func count(line []byte, by map[string]*asked) error {
	const received, complete = `"stage":"RequestReceived"`, `"stage":"ResponseComplete"`
	if !bytes.Contains(line, []byte(received)) && !bytes.Contains(line, []byte(complete)) {
		return nil
	}
	var event auditEvent
	if err := json.Unmarshal(line, &event); err != nil {
		return fmt.Errorf("decode audit event: %w", err)
	}
	who := by[event.User.Username]
	if who == nil {
		who = newAsked()
		by[event.User.Username] = who
	}
	who.count(&event)
	return nil
}

func (a *asked) count(event *auditEvent) {
	what := event.Verb + " description of the API"
	if ref := event.ObjectRef; ref != nil {
		what = event.Verb + " " + ref.Resource
		if ref.Subresource != "" {
			what += "/" + ref.Subresource
		}
	}
	const badRequest, notFound = 400, 404
	switch {
	case event.Stage == "ResponseComplete":
		if code := event.ResponseStatus.Code; code >= badRequest && (code != notFound || event.Verb != "get") {
			a.Refused[fmt.Sprintf("%s: %d", what, code)]++
		}
	case event.Verb == "watch":
		a.Watches++
	case event.ofElection():
		a.Leases++
	default:
		a.Requests[what]++
	}
}

// ofElection tells whether a request is the leader election's: the operator's own events are of events.k8s.io.
func (e *auditEvent) ofElection() bool {
	ref := e.ObjectRef
	return ref != nil && (ref.Resource == "leases" || ref.Resource == "events" && ref.APIGroup == "")
}
