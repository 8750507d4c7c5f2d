package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"time"

	"github.com/theeye-dev/theeye/api/client"
)

// A program with a service binding, or with the variables of .local/env, sends events for as long as it runs, and saves
// at its end what it could not deliver.
func Example() {
	config, err := client.FromEnvironment()
	if err != nil {
		slog.Error("no TheEye", "error", err)
		return
	}
	c, err := client.New(config)
	if err != nil {
		slog.Error("no TheEye", "error", err)
		return
	}
	sender := c.NewSender(client.SenderConfig{
		OnResult: func(r client.Result) {
			if r.Verdict.Status == client.Rejected {
				slog.Warn("event rejected", "id", r.Event.ID, "code", r.Verdict.Code, "pointer", r.Verdict.Pointer)
			}
		},
		OnTrouble: func(err error, wait time.Duration) { slog.Warn("events wait", "wait", wait, "error", err) },
	})
	err = sender.TrySend(client.Event{
		SessionID: "s-1", Category: "page interaction", Name: "pageview", Data: map[string]any{"path": "/pricing"},
	})
	if err != nil {
		slog.Error("event not taken", "error", err)
	}

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if left, ok := errors.AsType[*client.UndeliveredError](sender.Close(ctx)); ok {
		saved, _ := json.Marshal(left.Events) // another run reads them, and sends them as they are
		_ = os.WriteFile("undelivered.json", saved, 0o600)
	}
}

// Post answers with a verdict on every event, in order.
func ExampleClient_Post() {
	theeye := httptest.NewServer(http.HandlerFunc(accept)) // in the place of a real one
	defer theeye.Close()
	c, err := client.New(client.Config{URL: theeye.URL, Key: client.StaticKey("eye_live_0123")})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.CloseIdleConnections()
	verdicts, err := c.Post(context.Background(), []client.Event{{SessionID: "s-1", Category: "order", Name: "placed"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(verdicts[0].Status)
	// Output: accepted
}
