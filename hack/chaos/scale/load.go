package scale

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/theeye-dev/theeye/hack/chaos/world"
)

const (
	// batch is how many events a request has: what a web page's client collects in some seconds.
	batch = 20
	// postTimeout is more than ingest's patience with Redis.
	postTimeout = 15 * time.Second
	// again is the pause before a request is repeated that was not accepted.
	again = 20 * time.Millisecond
)

// load posts as fast as it is answered.
type load struct {
	key     string
	doors   []*world.Service
	clients int
	client  *http.Client
}

func newLoad(key string, doors []*world.Service, clients int) *load {
	transport := &http.Transport{MaxIdleConnsPerHost: 2 * clients, IdleConnTimeout: time.Minute}
	return &load{key: key, doors: doors, clients: clients, client: &http.Client{Transport: transport, Timeout: postTimeout}}
}

// run posts until the context ends, and answers how many events were accepted. What was begun is repeated until it is.
func (l *load) run(ctx context.Context) (int64, error) {
	defer l.client.CloseIdleConnections()
	var accepted atomic.Int64
	errs := make([]error, l.clients)
	var wg sync.WaitGroup
	for number := range l.clients {
		wg.Go(func() {
			door := l.doors[number%len(l.doors)].URL() + "/v1/events"
			for n := 0; ctx.Err() == nil; n++ {
				if errs[number] = l.insist(ctx, door, body(number, n)); errs[number] != nil {
					return
				}
				accepted.Add(batch)
			}
		})
	}
	wg.Wait()
	return accepted.Load(), errors.Join(errs...)
}

func body(client, n int) string {
	events := make([]string, batch)
	for i := range events {
		events[i] = fmt.Sprintf(`{"id":"%d.%d.%d","session_id":"session %d.%d","category":"page interaction","name":"pageview",`+
			`"data":{"host":"shop.example.com","path":"/products/%d","referrer":"https://shop.example.com/","width":1280,"n":%d}}`,
			client, n, i, client, n/10, n%1000, i)
	}
	return "[" + strings.Join(events, ",") + "]"
}

// insist posts until it is accepted.
func (l *load) insist(ctx context.Context, door, body string) error {
	for deadline := time.Now().Add(patience); ; {
		status, err := l.post(ctx, door, body)
		switch {
		case status == http.StatusAccepted:
			return nil
		case status != 0 && status != http.StatusServiceUnavailable:
			return fmt.Errorf("answered %d", status)
		case time.Now().After(deadline):
			return fmt.Errorf("not accepted: %d %w", status, err)
		}
		timer := time.NewTimer(again)
		<-timer.C
	}
}

func (l *load) post(ctx context.Context, door, body string) (status int, err error) {
	request, err := http.NewRequestWithContext(context.WithoutCancel(ctx), http.MethodPost, door, strings.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("make request: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+l.key)
	request.Header.Set("Content-Type", "application/json")
	response, err := l.client.Do(request)
	if err != nil {
		return 0, err //nolint:wrapcheck // says what it asked
	}
	defer response.Body.Close() //nolint:errcheck // read to its end
	_, err = io.Copy(io.Discard, response.Body)
	return response.StatusCode, err //nolint:wrapcheck // as above
}
