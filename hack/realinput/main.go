package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/theeye-dev/theeye/api/event"
)

func main() {
	switch err := run(os.Args[1:]); {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "realinput:", err)
		os.Exit(1)
	}
}

var errUnequal = errors.New("not everything came back as it was sent, once")

func run(args []string) error {
	c, err := parseFlags(args)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if c.packageFile == "" {
		progress("fetching " + packageName + " " + packageVersion)
		if c.packageFile, err = fetch(ctx, c.cache); err != nil {
			return err
		}
	}
	payloads, err := readPackage(c.packageFile)
	if err != nil {
		return err
	}
	t, err := newTrial(c, payloads, time.Now())
	if err != nil {
		return err
	}
	t.describe(payloads)
	return t.run(ctx)
}

// trial is one run: every payload as an event twice, to be posted singly and in batches.
type trial struct {
	config            *config
	client            *client
	singly, batched   []sent
	begin, end        time.Time // the events' timestamps: begin is included, end is not
	singleID, batchID string    // what their ids begin with
}

func newTrial(c *config, payloads []payload, now time.Time) (*trial, error) {
	t := &trial{config: c, client: newClient(c)}
	// A run's ids and times are its own: what earlier runs stored is in nobody's way.
	run := strconv.FormatInt(now.UnixNano(), 36)
	half := time.Duration(len(payloads)) * time.Millisecond
	t.begin = now.UTC().Add(-2 * half).Truncate(time.Millisecond)
	t.end = t.begin.Add(2 * half)
	var err1, err2 error
	t.singleID, t.batchID = "s"+run, "b"+run
	t.singly, err1 = newEvents(t.singleID, payloads, t.begin)
	t.batched, err2 = newEvents(t.batchID, payloads, t.begin.Add(half))
	return t, errors.Join(err1, err2)
}

func (t *trial) all() []sent { return append(append([]sent(nil), t.singly...), t.batched...) }

// own leaves out what others sent in the same span of time.
func (t *trial) own(got []read) []read {
	return slices.DeleteFunc(got, func(e read) bool {
		return !strings.HasPrefix(e.ID, t.singleID+"/") && !strings.HasPrefix(e.ID, t.batchID+"/")
	})
}

func (t *trial) describe(payloads []payload) {
	types, sessions, bytes := map[string]bool{}, map[string]bool{}, 0
	for _, e := range t.singly {
		types[event.Type(e.Category, e.Name)], sessions[e.SessionID] = true, true
		bytes += len(e.Data)
	}
	fmt.Printf("%s %s: %d payloads, %d bytes, %d event types, %d sessions\n", packageName, packageVersion, len(payloads),
		bytes, len(types), len(sessions))
}

func (t *trial) run(ctx context.Context) error {
	start := event.FormatTimestamp(time.Now())
	if err := t.post(ctx, "posting", t.singly, t.batched); err != nil {
		return err
	}
	first, err := t.compare(ctx, "read back by time:")
	if err != nil {
		return err
	}
	bySession, err := t.compareSessions(ctx)
	if err != nil {
		return err
	}
	if err := t.post(ctx, "posting again", t.batched, t.singly); err != nil {
		return err
	}
	second, err := t.compare(ctx, "read back after posting all again:")
	if err != nil {
		return err
	}
	failures, err := t.client.failures(ctx, start)
	if err != nil {
		return err
	}
	fmt.Printf("%-34s %5d\n", "failures:", len(failures))
	for _, f := range failures[:min(len(failures), 10)] {
		fmt.Printf("  %s: %s: %s: %.100s\n", f.ID, f.Code, f.Detail, f.Original)
	}
	if !first.ok() || !bySession.ok() || !second.ok() || len(failures) > 0 {
		return errUnequal
	}
	fmt.Printf("all %d events came back equal, once\n", second.equal)
	return nil
}

// post sends some events singly and others in batches, and waits until persistence has dealt with all.
func (t *trial) post(ctx context.Context, what string, singly, batched []sent) error {
	one, err := bodiesOf(singly, 1)
	if err != nil {
		return err
	}
	many, err := bodiesOf(batched, t.config.batch)
	if err != nil {
		return err
	}
	fmt.Printf("%s %d events singly and %d in %d batches\n", what, len(singly), len(batched), len(many))
	if err := t.postAll(ctx, append(one, many...)); err != nil {
		return err
	}
	progress("waiting until all is stored")
	return drained(ctx, t.config)
}

// postAll sends requests by several workers at once; the first fault ends it.
func (t *trial) postAll(ctx context.Context, bodies []body) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	work := make(chan body)
	var done atomic.Int64
	var workers sync.WaitGroup
	for range t.config.workers {
		workers.Go(func() {
			for b := range work {
				if err := t.client.post(ctx, b); err != nil {
					cancel(err)
					continue // the sender stops, too
				}
				if n := done.Add(1); n%100 == 0 {
					progress(fmt.Sprintf("%d of %d requests", n, len(bodies)))
				}
			}
		})
	}
	for _, b := range bodies {
		select {
		case work <- b:
		case <-ctx.Done():
		}
	}
	close(work)
	workers.Wait()
	return context.Cause(ctx)
}

// compare reads everything of the trial by its time.
func (t *trial) compare(ctx context.Context, title string) (verdict, error) {
	got, err := t.client.events(ctx, t.query())
	if err != nil {
		return verdict{}, err
	}
	v := judge(t.all(), t.own(got))
	v.print(os.Stdout, title)
	return v, nil
}

// compareSessions reads every session of the trial by itself.
func (t *trial) compareSessions(ctx context.Context) (verdict, error) {
	sessions := map[string]bool{}
	for _, e := range t.singly {
		sessions[e.SessionID] = true
	}
	var got []read
	for id := range sessions {
		query := t.query()
		query.Set("session_id", id)
		events, err := t.client.events(ctx, query)
		if err != nil {
			return verdict{}, err
		}
		for i := range events {
			if events[i].SessionID != id || i > 0 && events[i].Timestamp < events[i-1].Timestamp {
				return verdict{}, fmt.Errorf("session %q: event %d (%s) is out of place", id, i, events[i].ID)
			}
		}
		got = append(got, events...)
	}
	v := judge(t.all(), t.own(got))
	v.print(os.Stdout, fmt.Sprintf("read back by session (%d):", len(sessions)))
	return v, nil
}

func (t *trial) query() url.Values {
	// A page smaller than what is read: cursors are tried, too.
	const pageSize = "250"
	return url.Values{
		"from": {event.FormatTimestamp(t.begin)}, "to": {event.FormatTimestamp(t.end)}, "limit": {pageSize},
	}
}

func progress(text string) { fmt.Fprintln(os.Stderr, text) }
