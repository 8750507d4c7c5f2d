package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/apikey"
	"github.com/theeye-dev/theeye/api/client"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/hack/servers"
)

const (
	listeners    = 1000
	tailSessions = 100                   // of which each listener hears one
	postEvery    = 50 * time.Millisecond // an event for each session: 2,000 a second
	// tailSettles is how long what was posted may take to be told before it counts as lost, and listeners to be there.
	tailSettles = time.Minute
)

// audience is who listens while events are posted beside all that is stored.
type audience struct {
	key       string // of the application whose events they are
	reader    *client.Reader
	poster    *client.Client
	listening []*listener
}

// listener hears the events of one session.
type listener struct {
	session string
	mu      sync.Mutex
	lags    map[int]time.Duration // by the number of their post
	missed  int64
}

// measureTail has listeners and clients for a while, and tells how long after its receipt an event was told, over ingest,
// Redis, PostgreSQL and persistence as they are.
func (w *world) measureTail(ctx context.Context, c *config, r *report) (err error) {
	a := &audience{}
	if err := w.open(ctx, a); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	for n := range listeners {
		l := &listener{session: fmt.Sprint("tail ", n%tailSessions), lags: map[int]time.Duration{}}
		a.listening = append(a.listening, l)
		all.Go(func() { l.listen(ctx, a.reader) })
	}
	first, last, err := a.post(ctx, c.tail)
	if err != nil {
		return err
	}
	if err := await(ctx, func() bool { return a.heard(last) }); err != nil {
		return fmt.Errorf("post %d was not told to all: %w", last, err)
	}
	a.report(r, first, last)
	return w.peak(r, "persistence, peak of the tail")
}

// open starts ingest and makes an application whose events are listened for.
func (w *world) open(ctx context.Context, a *audience) (err error) {
	var ingestURL string
	if w.ingest, ingestURL, err = w.service("ingest"); err != nil {
		return err
	}
	uid := uuid.New()
	a.key = apikey.New("bench", apikey.ClientID(uid), "1")
	target := w.authURL + "/v1/applications/" + uid.String()
	digest := registry.Digest(apikey.HashOf(a.key))
	if err := w.put(ctx, target, `{"namespace":"bench","name":"tail"}`); err != nil {
		return err
	}
	if err := w.put(ctx, target+"/credentials/1", fmt.Sprintf(`{"sha256":"%x"}`, digest[:])); err != nil {
		return err
	}
	if a.poster, err = client.New(client.Config{URL: ingestURL, Key: client.StaticKey(a.key)}); err != nil {
		return fmt.Errorf("post: %w", err)
	}
	if a.reader, err = client.NewReader(client.Config{URL: w.url, Key: client.StaticKey(w.token)}); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	return servers.Await(ctx, w.ingest, w.log("ingest"), func(ctx context.Context) error { //nolint:wrapcheck // says what is awaited
		_, err := a.poster.Post(ctx, []client.Event{{SessionID: "tail", Category: "bench", Name: "tail"}})
		return err
	})
}

// listen until the context ends.
func (l *listener) listen(ctx context.Context, reader *client.Reader) {
	for told, err := range reader.Listen(ctx, url.Values{"session_id": {l.session}, "outcome": {"stored"}}, "") {
		switch {
		case err != nil:
			if ctx.Err() == nil {
				fmt.Fprintln(os.Stderr, "a listener:", err)
			}
		case told.Missed != nil:
			l.mu.Lock()
			l.missed += max(1, told.Missed.Count)
			l.mu.Unlock()
		case told.Event != nil:
			l.take(told.Event, time.Now())
		}
	}
}

func (l *listener) take(e *client.Stored, now time.Time) {
	var post int
	if _, err := fmt.Sscanf(e.Name, "post %d", &post); err != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, again := l.lags[post]; !again { // each outcome is told at least once
		l.lags[post] = now.Sub(e.ReceivedAt)
	}
}

func (l *listener) has(post int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, ok := l.lags[post]
	return ok
}

// heard tells whether all have been told of a post.
func (a *audience) heard(post int) bool {
	return !slices.ContainsFunc(a.listening, func(l *listener) bool { return !l.has(post) })
}

// post posts at a steady rate until all listen, and then for as long as is measured: from the first post on to the last.
func (a *audience) post(ctx context.Context, duration time.Duration) (first, last int, err error) {
	ctx, cancel := context.WithTimeout(ctx, duration+tailSettles)
	defer cancel()
	tick := time.NewTicker(postEvery)
	defer tick.Stop()
	var posts sync.WaitGroup
	var mu sync.Mutex
	var errs []error
	for begun := (time.Time{}); begun.IsZero() || time.Since(begun) < duration; last++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return 0, 0, fmt.Errorf("%d listeners were not there in time: %w", listeners, ctx.Err())
		}
		if begun.IsZero() && last > 0 && last%20 == 0 && a.heard(last-20) {
			begun, first = time.Now(), last
		}
		post := last
		posts.Go(func() {
			err := a.one(ctx, post)
			mu.Lock()
			defer mu.Unlock()
			errs = append(errs, err)
		})
	}
	posts.Wait()
	return first, last - 1, errors.Join(errs...)
}

// one posts an event for each session.
func (a *audience) one(ctx context.Context, post int) error {
	events := make([]client.Event, tailSessions)
	for n := range events {
		events[n] = client.Event{SessionID: fmt.Sprint("tail ", n), Category: "bench", Name: fmt.Sprint("post ", post), Data: map[string]any{"path": "/a/b", "n": post}}
	}
	if _, err := a.poster.Post(ctx, events); err != nil {
		return fmt.Errorf("post: %w", err)
	}
	return nil
}

// report tells the lags of what was posted while all listened.
func (a *audience) report(r *report, first, last int) {
	var lags []time.Duration
	var missed int64
	for _, l := range a.listening {
		l.mu.Lock()
		for post := first; post <= last; post++ {
			if lag, ok := l.lags[post]; ok {
				lags = append(lags, lag)
			}
		}
		missed += l.missed
		l.mu.Unlock()
	}
	slices.Sort(lags)
	r.add("live tail, from receipt to 1,000 listeners", lags[len(lags)/2], lags[len(lags)*99/100])
	r.tell("live tail, longest", fmt.Sprintf("%.1f", milliseconds(lags[len(lags)-1])))
	r.tell("live tail, told / missed / lost", fmt.Sprintf("%d / %d / %d", len(lags), missed, (last-first+1)*listeners-len(lags)))
}

// await asks until something is so.
func await(ctx context.Context, so func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, tailSettles)
	defer cancel()
	again := time.NewTicker(postEvery)
	defer again.Stop()
	for !so() {
		select {
		case <-again.C:
		case <-ctx.Done():
			return ctx.Err() //nolint:wrapcheck // whoever awaits says what
		}
	}
	return nil
}
