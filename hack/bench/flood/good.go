package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// good are clients that behave: each has a connection, posts one event at a time at its rate, and sends again what was
// not accepted.
type good struct {
	config *config
	app    application
	run    string // what the ids of this run begin with

	mu       sync.Mutex
	accepted int
}

// phase is what good clients saw for a while.
type phase struct {
	took       []time.Duration // from when a request was due to its answer, sorted
	refused    int             // answered otherwise than 202
	unanswered int
}

func newGood(c *config, app application) *good {
	return &good{config: c, app: app, run: fmt.Sprint(time.Now().UnixNano())}
}

func (g *good) phase(ctx context.Context, name string) (p phase, err error) {
	fmt.Fprintf(g.progress(), "%s: %s with %d clients\n", name, g.config.duration, g.config.clients)
	ctx, cancel := context.WithTimeout(ctx, g.config.duration)
	defer cancel()
	var all sync.WaitGroup
	for n := range g.config.clients {
		all.Go(func() { g.client(ctx, n, fmt.Sprintf("%s-%s-%d", g.run, name, n), &p) })
	}
	all.Wait()
	if len(p.took) == 0 {
		return p, fmt.Errorf("%s: no good client was answered", name)
	}
	slices.Sort(p.took)
	return p, nil
}

// client posts until the context ends, and then what is still due. It begins at a moment of its own: clients that all send
// at once wait for each other.
func (g *good) client(ctx context.Context, number int, name string, p *phase) {
	transport := &http.Transport{MaxConnsPerHost: 1}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 30 * time.Second}
	every := time.Duration(float64(time.Second) / g.config.rate)
	due := time.Now().Add(every * time.Duration(number) / time.Duration(g.config.clients))
	for n := 0; ; n++ {
		select {
		case <-time.After(time.Until(due)):
		case <-ctx.Done():
			return
		}
		g.insist(client, fmt.Sprintf("%s-%d", name, n), due, p)
		due = due.Add(every)
	}
}

// insist posts an event until it is accepted. Its time is that of the first answer, and ends the schedule for none.
func (g *good) insist(client *http.Client, id string, due time.Time, p *phase) {
	body := fmt.Sprintf(`{"id":%q,"session_id":"good","category":"flood","name":"good","data":{"path":"/a/b"}}`, id)
	for {
		status, err := g.post(client, body)
		g.mu.Lock()
		switch {
		case err != nil:
			p.unanswered++
		case status != http.StatusAccepted:
			p.refused++
		default:
			g.accepted++
			p.took = append(p.took, time.Since(due))
		}
		g.mu.Unlock()
		if status == http.StatusAccepted {
			return
		}
	}
}

func (g *good) post(client *http.Client, body string) (status int, err error) {
	request, err := http.NewRequestWithContext(context.Background(), http.MethodPost, g.config.env["THEEYE_INGEST_URL"]+"/v1/events", strings.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("make request: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+g.app.key)
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return 0, err //nolint:wrapcheck // only counted
	}
	defer response.Body.Close() //nolint:errcheck // read to its end
	_, err = io.Copy(io.Discard, response.Body)
	return response.StatusCode, err
}
