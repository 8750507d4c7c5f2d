package recovery

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/apikey"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/hack/chaos/world"
	"github.com/theeye-dev/theeye/hack/servers"
)

// Erased is an application of its own that sends one event and is erased; Left is how many are there at the end.
type Erased struct {
	Left int

	uid uuid.UUID
	key string
}

// askTime bounds what is asked again and again while services start.
const askTime = time.Minute

// send registers the application, has it send its event, and waits until that is stored.
func (e *Erased) send(ctx context.Context, w *world.World) error {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	e.uid = uuid.New()
	e.key = apikey.New("chaos", apikey.ClientID(e.uid), "1")
	app := w.Of(world.Auth)[0].URL() + "/v1/applications/" + e.uid.String()
	err := ask(ctx, http.MethodPut, app, w.AdminToken, registry.DesiredApplication{Namespace: "chaos", Name: "erased"})
	if err != nil {
		return err
	}
	credential := registry.DesiredCredential{SHA256: registry.Digest(apikey.HashOf(e.key))}
	if err := ask(ctx, http.MethodPut, app+"/credentials/1", w.AdminToken, credential); err != nil {
		return err
	}
	event := map[string]string{"id": "erased", "session_id": "erased", "category": "c", "name": "n"}
	if err := ask(ctx, http.MethodPost, w.Of(world.Ingest)[0].URL()+"/v1/events", e.key, event); err != nil {
		return err
	}
	return e.await(ctx, w, 1)
}

// erase has the application erased.
func (e *Erased) erase(ctx context.Context, w *world.World) error {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	err := ask(ctx, http.MethodDelete, w.Running(world.Persistence)[0].Public()+"/v1/applications/"+e.uid.String()+"/events", w.AdminToken, nil)
	if err != nil {
		return err
	}
	return e.await(ctx, w, 0)
}

// await waits until so many of the application's events are there.
func (e *Erased) await(ctx context.Context, w *world.World, want int) error {
	err := servers.Await(ctx, nil, "", func(ctx context.Context) error {
		err := e.look(ctx, w)
		if err == nil && e.Left != want {
			err = fmt.Errorf("%d events are there, want %d", e.Left, want)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("await the application that is erased: %w", err)
	}
	return nil
}

func (e *Erased) look(ctx context.Context, w *world.World) error {
	conn, err := w.Database(ctx)
	if err != nil {
		return err //nolint:wrapcheck // says what
	}
	defer conn.Close(ctx) //nolint:errcheck // only read
	err = conn.QueryRow(ctx, "SELECT count(*) FROM persistence.events WHERE application = $1", e.uid).Scan(&e.Left)
	if err != nil {
		return fmt.Errorf("look for what was erased: %w", err)
	}
	return nil
}

// ask asks until the answer is 2xx.
func ask(ctx context.Context, method, url, token string, body any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("ask: %w", err)
	}
	err = servers.Await(ctx, nil, "", func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(text))
		if err != nil {
			return err //nolint:wrapcheck // below
		}
		request.Header.Set("Authorization", "Bearer "+token)
		request.Header.Set("Content-Type", "application/json")
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err //nolint:wrapcheck // below
		}
		defer response.Body.Close() //nolint:errcheck // read to its end
		answer, err := io.ReadAll(response.Body)
		if err == nil && response.StatusCode/100 != 2 {
			err = fmt.Errorf("answered %d %.200s", response.StatusCode, answer)
		}
		return err //nolint:wrapcheck // below
	})
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, url, err)
	}
	return nil
}
