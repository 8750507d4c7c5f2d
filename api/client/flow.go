package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// flow is an answer that is read while it is written.
type flow struct {
	*http.Response
	secrets []string

	silence time.Duration // after which its reads fail
	watch   *time.Timer
	cancel  context.CancelCauseFunc
	cause   func() error // why its context has ended; nil: it has not
}

var errSilent = errors.New("nothing comes any more")

// open asks for a flow of a media type. Its beginning has the time of a whole answer.
func (c *Client) open(ctx context.Context, target, key, media string, header http.Header, silence time.Duration) (*flow, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	f := &flow{
		silence: silence, cancel: cancel, cause: func() error { return context.Cause(ctx) },
		watch: time.AfterFunc(c.config.Timeout, func() { cancel(errSilent) }),
	}
	var err error
	if f.Response, f.secrets, err = c.send(ctx, http.MethodGet, target, key, header); err != nil { //nolint:bodyclose // Close does
		f.end() // which changes no cause that there is
		if cause := f.cause(); errors.Is(cause, errSilent) {
			err = fmt.Errorf("%w: %w", cause, err)
		}
		return nil, err
	}
	switch {
	case f.StatusCode/100 != 2:
		var content []byte
		if content, err = whole(f.Response); err == nil {
			_, err = read(f.Response, content, nil, f.secrets)
		}
	case !strings.HasPrefix(f.Header.Get("Content-Type"), media):
		err = notUnderstood(f.StatusCode)
	default:
		f.watch.Stop()
		return f, nil
	}
	f.Close()
	return nil, err
}

// Read waits for what comes as long as silence.
func (f *flow) Read(p []byte) (int, error) {
	f.watch.Reset(f.silence)
	n, err := f.Body.Read(p)
	f.watch.Stop()
	if cause := f.cause(); err != nil && cause != nil {
		err = cause
	}
	return n, err //nolint:wrapcheck // io.EOF must stay itself
}

func (f *flow) end() {
	f.watch.Stop()
	f.cancel(nil)
}

// Close ends it, wherever it is.
func (f *flow) Close() {
	f.end()
	_ = f.Body.Close()
}

// stay reads a flow with once, and opens it again where it broke, until once has no error. Whatever came ends an outage, of
// which each may last as long as Config.RetryFor. pause is what the server asks to wait before.
func (r *Reader) stay(ctx context.Context, pause *time.Duration, once func(key string) (came bool, err error)) error {
	c := r.client
	for {
		var broke error
		d := delivery{client: c, began: time.Now(), giveUp: c.config.RetryFor}
		err := d.try(ctx, func() error {
			return c.keyed(ctx, func(key string) error {
				came, err := once(key)
				if came {
					broke, err = err, nil
				}
				return err
			})
		})
		if err != nil || broke == nil {
			return err
		}
		if !sleep(ctx, *pause+c.backoff(0, broke)) {
			return fmt.Errorf("%w: %w", context.Cause(ctx), broke)
		}
	}
}

// tooLong is what no TheEye sends; asking again would not change it.
func tooLong(what string, most int) error {
	return &AnswerError{Status: http.StatusOK, Detail: fmt.Sprintf("a %s is larger than %d bytes", what, most)}
}

// cutOff makes the end of what should go on an error.
func cutOff(err error) error {
	if _, ok := errors.AsType[*AnswerError](err); ok {
		return err
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("read answer: %w", err)
}
