package world

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/hack/servers"
)

// AwaitReady waits until services say that they and all they need are ready.
func (w *World) AwaitReady(ctx context.Context, services ...*Service) error {
	for _, s := range services {
		err := servers.Await(ctx, nil, s.log, func(ctx context.Context) error {
			return get(ctx, "http://"+s.ops+"/readyz?full", func(*http.Response) error { return nil })
		})
		if err != nil {
			return fmt.Errorf("%s is not ready: %w", s.Name, err)
		}
	}
	return nil
}

// askTimeout bounds one question to a service.
const askTimeout = 5 * time.Second

func get(ctx context.Context, url string, read func(*http.Response) error) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return call(ctx, url, "", read)
}

func call(ctx context.Context, url, authorization string, read func(*http.Response) error) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	if authorization != "" {
		request.Header.Set("Authorization", authorization)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err //nolint:wrapcheck // says what it asked
	}
	defer response.Body.Close() //nolint:errcheck // only read
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %d", url, response.StatusCode)
	}
	return read(response)
}

// AwaitRest waits, without doing anything, until every running service is ready and every entry of every stream is
// acknowledged.
func (w *World) AwaitRest(ctx context.Context) error {
	if err := w.AwaitReady(ctx, w.Running()...); err != nil {
		return err
	}
	if err := servers.Await(ctx, nil, "", w.drained); err != nil {
		return fmt.Errorf("the streams are not drained: %w", err)
	}
	return nil
}

// drained answers nil when nothing in the streams waits.
func (w *World) drained(ctx context.Context) error {
	partitions, err := w.client.Get(ctx, event.PartitionsKey).Int()
	if err != nil {
		return fmt.Errorf("read number of streams: %w", err)
	}
	for p := range partitions {
		if err := w.streamDrained(ctx, event.StreamKey(p)); err != nil {
			return err
		}
	}
	return nil
}

func (w *World) streamDrained(ctx context.Context, key string) error {
	groups, err := w.client.XInfoGroups(ctx, key).Result()
	if err != nil {
		return fmt.Errorf("look at %s: %w", key, err)
	}
	if len(groups) == 0 {
		return fmt.Errorf("nobody reads %s", key)
	}
	for _, g := range groups {
		rest, err := w.client.XRangeN(ctx, key, "("+g.LastDeliveredID, "+", 1).Result()
		if err != nil && !errors.Is(err, redis.Nil) {
			return fmt.Errorf("look at %s: %w", key, err)
		}
		if g.Pending > 0 || len(rest) > 0 {
			return fmt.Errorf("%s has %d pending entries, undelivered ones: %t", key, g.Pending, len(rest) > 0)
		}
	}
	return nil
}

// alarming is what no log may hold.
var alarming = regexp.MustCompile(`(?m)^.*(WARNING: DATA RACE|^panic: |^fatal error: |pending entries were deleted).*$`)

// logged looks for what is alarming in the services' logs.
func (w *World) logged() (notes []string) {
	for _, s := range w.Services {
		text, err := os.ReadFile(s.log)
		if err != nil {
			continue // it was never started
		}
		if at := alarming.FindIndex(text); at != nil {
			notes = append(notes, fmt.Sprintf("%s logged: %.2000s", s.Name, text[at[0]:]))
		}
	}
	return notes
}

// PendingOf is how many entries of all streams were delivered to a consumer and not acknowledged.
func (w *World) PendingOf(ctx context.Context, consumer string) (pending int64, err error) {
	partitions, err := w.client.Get(ctx, event.PartitionsKey).Int()
	if err != nil {
		return 0, fmt.Errorf("read number of streams: %w", err)
	}
	for p := range partitions {
		consumers, err := w.client.XInfoConsumers(ctx, event.StreamKey(p), event.PersistenceGroup).Result()
		if err != nil {
			return 0, fmt.Errorf("look at consumers: %w", err)
		}
		for _, c := range consumers {
			if c.Name == consumer {
				pending += c.Pending
			}
		}
	}
	return pending, nil
}
