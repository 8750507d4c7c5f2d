package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// baselineStream is where the second baseline adds its entries.
const baselineStream = "bench:events"

// baselineConfig tells a baseline handler where Redis is.
type baselineConfig struct {
	RedisURL string `json:"redis_url"`
}

// runBare is the process of the first baseline: whatever net/http costs, every handler costs.
func runBare(l *link) error {
	return serveBaseline(l, func(baselineConfig) (http.Handler, error) {
		buffers := sync.Pool{New: func() any { return new(bytes.Buffer) }}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			buffer := buffers.Get().(*bytes.Buffer) //nolint:forcetypeassert // nothing else is put
			defer buffers.Put(buffer)
			buffer.Reset()
			if _, err := buffer.ReadFrom(r.Body); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			w.WriteHeader(http.StatusAccepted)
		}), nil
	})
}

// runXadd is the process of the second baseline: what a sound but plain collector does. It decodes every event with
// encoding/json, checks what is required, and answers when Redis has the body on disk, by one XADD for the request.
func runXadd(l *link) error {
	return serveBaseline(l, func(config baselineConfig) (http.Handler, error) {
		options, err := redis.ParseURL(config.RedisURL)
		if err != nil {
			return nil, fmt.Errorf("parse Redis URL: %w", err)
		}
		// A connection for every request in hand: none waits for one.
		const poolSize = 64
		options.PoolSize, options.MinIdleConns = poolSize, poolSize/2
		client := redis.NewClient(options)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			count, err := addRequest(r.Context(), client, r.Body)
			if err != nil {
				http.Error(w, err.Error(), http.StatusServiceUnavailable)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusAccepted)
			_, _ = fmt.Fprintf(w, `{"accepted":%d}`, count)
		}), nil
	})
}

func addRequest(ctx context.Context, client *redis.Client, from io.Reader) (count int, err error) {
	body, err := io.ReadAll(from)
	if err != nil {
		return 0, fmt.Errorf("read body: %w", err)
	}
	if count, err = checkEvents(body); err != nil {
		return 0, err
	}
	add := &redis.XAddArgs{Stream: baselineStream, Values: []any{"events", body}}
	if err := client.XAdd(ctx, add).Err(); err != nil {
		return 0, fmt.Errorf("add to stream: %w", err)
	}
	return count, nil
}

// checkEvents decodes one event or an array of them, and checks each.
func checkEvents(body []byte) (int, error) {
	events := make([]wireEvent, 1)
	var target any = &events[0]
	if bytes.HasPrefix(body, []byte("[")) {
		target = &events
	}
	if err := json.Unmarshal(body, target); err != nil {
		return 0, fmt.Errorf("decode: %w", err)
	}
	for i := range events {
		e := &events[i]
		if e.SessionID == "" || e.Category == "" || e.Name == "" || !bytes.HasPrefix(e.Data, []byte("{")) {
			return 0, fmt.Errorf("event %d lacks a required field", i)
		}
		if _, err := time.Parse(time.RFC3339Nano, e.Timestamp); err != nil {
			return 0, fmt.Errorf("event %d: %w", i, err)
		}
	}
	return len(events), nil
}

// serveBaseline serves a handler until the bench closes the part's input.
func serveBaseline(l *link, newHandler func(baselineConfig) (http.Handler, error)) error {
	var config baselineConfig
	if err := l.in.Decode(&config); err != nil {
		return fmt.Errorf("read configuration: %w", err)
	}
	handler, err := newHandler(config)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	const headerTimeout = 5 * time.Second
	server := &http.Server{Handler: handler, ReadHeaderTimeout: headerTimeout}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	if err := l.out.Encode(message{Address: listener.Addr().String()}); err != nil {
		return fmt.Errorf("tell the bench: %w", err)
	}
	l.awaitEnd()
	if err := server.Close(); err != nil {
		return fmt.Errorf("stop serving: %w", err)
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}
