package attack

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// trickle is how often slow clients send a byte, and pause how long a closed connection stays closed: those that
// are told to send nothing are idle, and no storm of connections.
const (
	trickle = 500 * time.Millisecond
	pause   = 20 * time.Second
)

// keep holds a connection, over and over, by what hold sends over it until it is closed.
func (f *flood) keep(ctx context.Context, kind string, n int, hold func(context.Context, *flood, net.Conn) error) {
	if f.Connects > 0 {
		select {
		case <-time.After(time.Duration(float64(n) / f.Connects * float64(time.Second))):
		case <-ctx.Done():
			return
		}
	}
	for {
		conn, err := f.dial(ctx, n)
		if err == nil {
			f.count(kind, "opened")
			stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
			_ = hold(ctx, f, conn) // it ends with the connection
			stop()
			_ = conn.Close()
		}
		if ctx.Err() != nil {
			return
		}
		f.count(kind, "closed by the door, or not taken")
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
	}
}

// idle waits to be told something, which is that the connection is closed.
func idle(_ context.Context, _ *flood, conn net.Conn) error {
	_, err := conn.Read(make([]byte, 1))
	return err
}

func slowHeader(ctx context.Context, _ *flood, conn net.Conn) error {
	return dribble(ctx, conn, "POST /v1/events HTTP/1.1\r\nHost: door\r\nX-Slow: "+strings.Repeat("x", 1000))
}

// slowBody has a good credential and announces the largest body.
func slowBody(ctx context.Context, f *flood, conn net.Conn) error {
	head := fmt.Sprintf("POST /v1/events HTTP/1.1\r\nHost: door\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n", f.Key, 4<<20)
	if _, err := io.WriteString(conn, head+strings.Repeat(" ", 60_000)); err != nil {
		return err
	}
	return dribble(ctx, conn, strings.Repeat(" ", 1000))
}

// dribble sends a byte now and then, for as long as they are taken.
func dribble(ctx context.Context, conn net.Conn, text string) error {
	ticker := time.NewTicker(trickle)
	defer ticker.Stop()
	for i := range len(text) {
		if _, err := io.WriteString(conn, text[i:i+1]); err != nil {
			return err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
