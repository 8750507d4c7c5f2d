package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/theeye-dev/theeye/api/client"
)

// tells answers a tail that was asked for behind a place; at its end it breaks off or, if it stays, is silent.
func tells(behind, text string, stays bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Last-Event-ID"); got != behind || r.URL.RequestURI() != "/v1/stream?outcome=stored" {
			http.Error(w, "asked for "+r.URL.RequestURI()+" behind "+got, http.StatusTeapot)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "retry: 1000\n\n"+text)
		_ = http.NewResponseController(w).Flush()
		if stays {
			<-r.Context().Done()
		}
		panic(http.ErrAbortHandler) //nolint:forbidigo // as net/http asks for
	}
}

func stored(place, id string) string {
	return fmt.Sprintf("id: %s\nevent: stored\ndata: {\"outcome\":\"stored\",\n: a comment\ndata: \"event\":{\"id\":%q,\"sequence\":\"q\"}}\n\n", place, id)
}

// heard listens until an error, or until enough was told.
func heard(ctx context.Context, r *client.Reader, place string, enough int) (told []string, err error) {
	for t, err := range r.Listen(ctx, url.Values{"outcome": {"stored"}}, place) {
		switch {
		case err != nil:
			return told, err
		case t.Missed != nil:
			told = append(told, fmt.Sprint("missed ", t.Missed.Reason, t.Missed.Count))
		case t.Event != nil:
			told = append(told, t.Event.ID+" at "+t.Place)
		case t.Failure != nil:
			told = append(told, t.Outcome+" "+t.Failure.Code)
		}
		if len(told) == enough {
			return told, nil
		}
	}
	return told, errors.New("it ended without an error")
}

// TestListenComesBack behind what it was told, whatever breaks, as soon as it is asked to.
func TestListenComesBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		r := reader(t, answers{
			tells("", "", false), // before there was a place
			tells("", stored("1-0", "a")+stored("1-1", "b")+"id: 1-2\nevent: stored\nda", false),
			problem(503, "service.shutting_down", "Retry-After", "7"),
			tells("1-1", "id: 2-0\nevent: missed\ndata: {\"reason\":\"slow\",\"count\":5}\n\n: here\nid: 3-0\n\nevent: later\ndata: ?\n\n", true),
			broken,
			tells("3-0", "event: refused\ndata: {\"outcome\":\"refused\",\"failure\":{\"code\":\"type.unknown\"}}\n\n"+
				"event: end\ndata: {\"status\":503,\"code\":\"service.shutting_down\"}\n\n", true),
			tells("3-0", stored("4-0", "c"), true),
		})
		told, err := heard(t.Context(), r, "", 6)
		if err != nil {
			t.Fatal(err)
		}
		want := "missed late0, a at 1-0, b at 1-1, missed slow5, refused type.unknown, c at 4-0"
		if got := strings.Join(told, ", "); got != want {
			t.Errorf("told %s\nwant %s", got, want)
		}
		// 7 s are asked for, silence is noticed after 45 s, and 1 s is asked for behind each of three breaks.
		if took := time.Since(began); took < 55*time.Second || took > 60*time.Second {
			t.Errorf("it took %s", took)
		}
	})
}

// TestListenGoesOnFromItsBeginning when the tail breaks before anything was told, and missed nothing; and gives up where it
// does so each time.
func TestListenGoesOnFromItsBeginning(t *testing.T) {
	t.Parallel()
	const begins = "retry: 1000\nid: 0-5\n\n"
	synctest.Test(t, func(t *testing.T) {
		told, err := heard(t.Context(), reader(t, answers{tells("", begins, false), tells("0-5", stored("1-0", "a"), true)}), "", 1)
		if err != nil || strings.Join(told, ", ") != "a at 1-0" {
			t.Errorf("told %s, %v", told, err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		told, err := heard(ctx, reader(t, answers{tells("", begins, false), tells("0-5", begins, false)}), "", 1)
		if ctx.Err() != nil || !errors.Is(err, io.ErrUnexpectedEOF) || len(told) != 0 {
			t.Errorf("told %s, %v", told, err)
		}
	})
}

// TestListenEnds where somebody has to act, with nothing of the key in the error.
func TestListenEnds(t *testing.T) {
	t.Parallel()
	end := `event: end` + "\n" + `data: {"status":403,"code":"permission.denied","detail":"for ` + key + `"}` + "\n\n"
	for name, c := range map[string]struct {
		script answers
		code   string
		text   string
	}{
		"a right that has gone":     {answers{tells("", end, true)}, "permission.denied", "[key]"},
		"and is asked for again":    {answers{tells("", stored("1-0", "a")+end, true), problem(403, "permission.denied")}, "permission.denied", "some detail"},
		"a parameter":               {answers{problem(400, "request.parameter")}, "request.parameter", ""},
		"a page of a proxy":         {answers{page(200)}, "", "not understood"},
		"an end without a reason":   {answers{tells("", "event: end\ndata: {}\n\n", true)}, "", "not understood"},
		"no JSON":                   {answers{tells("", "event: stored\ndata: x\n\n", true)}, "", "not understood"},
		"a line that never ends":    {answers{tells("", "data: "+strings.Repeat("x", 1<<20), true)}, "", "a line is larger"},
		"a message that never ends": {answers{tells("", strings.Repeat("data: "+strings.Repeat("x", 1<<10)+"\n", 1<<11), true)}, "", "a message is larger"},
		"a redirect":                {answers{redirect}, "", "redirects are not followed"},
		"a long outage":             {answers{problem(503, "service.unavailable")}, "service.unavailable", "gave up"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				_, err := heard(t.Context(), reader(t, c.script), "", 100)
				var answer *client.AnswerError
				if !errors.As(err, &answer) || answer.Code != c.code || !strings.Contains(err.Error(), c.text) || strings.Contains(err.Error(), key) {
					t.Errorf("got %v", err)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("enough")
		time.AfterFunc(time.Minute, func() { cancel(why) })
		_, err := heard(ctx, reader(t, answers{tells("", stored("1-0", "a")+": here\n\n", false), tells("1-0", "", true)}), "", 100)
		if !errors.Is(err, why) && !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

// TestListenTakesTheNextKey when the tail ends with the one before.
func TestListenTakesTheNextKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, answers{
			tells("", stored("1-0", "a")+"event: end\ndata: {\"status\":401,\"code\":\"credential.invalid\"}\n\n", true),
			problem(401, "credential.invalid"),
			tells("1-0", stored("2-0", "b"), true),
		})
		transport := &http.Transport{DialContext: s.dial}
		t.Cleanup(transport.CloseIdleConnections)
		var asked atomic.Int64
		r, err := client.NewReader(client.Config{URL: "http://persistence.example", Transport: transport, Key: func(context.Context) (string, error) {
			return fmt.Sprint(key, asked.Add(1)), nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		told, err := heard(t.Context(), r, "", 2)
		if err != nil || strings.Join(told, " ") != "a at 1-0 b at 2-0" {
			t.Errorf("told %v, %v", told, err)
		}
		if got := s.got(); len(got) != 3 || got[2].header.Get("Authorization") != "Bearer "+key+"2" {
			t.Errorf("%d requests, the last with %v", len(got), got[len(got)-1].header)
		}
	})
}
