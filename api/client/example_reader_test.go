package client_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"time"

	"github.com/theeye-dev/theeye/api/client"
)

// A platform engineer puts right what a faulty schema refused: a dry run tells what would become of it now, and the replay
// is watched to its end.
func ExampleReader() {
	reader, err := client.NewReader(client.Config{
		URL: os.Getenv("THEEYE_PERSISTENCE_URL"), Key: client.StaticKey(os.Getenv("THEEYE_ADMIN_TOKEN")),
	})
	if err != nil {
		slog.Error("no TheEye", "error", err)
		return
	}
	ctx := context.Background()
	refused := url.Values{"application": {"shop/web-shop"}, "code": {"schema.mismatch"}, "state": {"open"}}
	for failure, err := range reader.Failures(ctx, refused) {
		if err != nil {
			slog.Error("failures cannot be read", "error", err)
			return
		}
		would, err := reader.ReplayFailure(ctx, failure.ID, true)
		slog.Info("failure", "event_id", failure.EventID, "pointers", failure.Pointers, "outcome", would.Outcome, "error", err)
	}
	refused.Del("state")
	replay, err := reader.BeginReplay(ctx, refused, false)
	for err == nil && replay.State == "running" {
		time.Sleep(time.Second) // between two questions
		replay, err = reader.Replay(ctx, replay.ID)
		slog.Info("replay", "done", replay.Done, "total", replay.Total, "outcomes", replay.Outcomes, "error", err)
	}
}

// Listen tells what becomes of events; its places may be kept, to go on behind one later.
func ExampleReader_Listen() {
	reader, closing := readerOf("text/event-stream", "id: 1-0\nevent: stored\ndata: {\"outcome\":\"stored\",\"event\":{\"id\":\"e-1\"}}\n\n"+
		"id: 2-0\nevent: missed\ndata: {\"reason\":\"slow\",\"count\":3}\n\n")
	defer closing()
	n := 0
	for told, err := range reader.Listen(context.Background(), url.Values{"category": {"order"}}, "") {
		switch {
		case err != nil:
			fmt.Println(err)
		case told.Missed != nil:
			fmt.Println(told.Missed.Count, "were missed, for the listener was", told.Missed.Reason)
		default:
			fmt.Println(told.Event.ID, told.Outcome, "behind it is", told.Place)
		}
		if n++; n == 2 {
			break
		}
	}
	// Output:
	// e-1 stored behind it is 1-0
	// 3 were missed, for the listener was slow
}

// ExportTo writes a file that any spreadsheet may open. The cursor goes on behind it another day.
func ExampleReader_ExportTo() {
	reader, closing := readerOf("text/csv", "id,name,cursor\ne-1,'=1+1,AAY1\nend\n")
	defer closing()
	cursor, err := reader.ExportTo(context.Background(), os.Stdout, url.Values{"format": {"csv"}, "select": {"id,name"}})
	fmt.Println(cursor, err)
	// Output:
	// id,name,cursor
	// e-1,'=1+1,AAY1
	// AAY1 <nil>
}

// readerOf reads from a server that stands in the place of a real one.
func readerOf(media, answer string) (reader *client.Reader, closing func()) {
	theeye := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", media)
		_, _ = w.Write([]byte(answer))
	}))
	reader, err := client.NewReader(client.Config{URL: theeye.URL, Key: client.StaticKey("eye_live_0123")})
	if err != nil {
		panic(err) //nolint:forbidigo // an example has no test to fail
	}
	return reader, func() {
		reader.CloseIdleConnections()
		theeye.Close()
	}
}
