package world

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/theeye-dev/theeye/hack/chaos/checker"
)

// shown reads every event as an analyst does, page by page, from a replica of persistence.
func (w *World) shown(ctx context.Context) (all []checker.Shown, err error) {
	reader := w.Running(Persistence)[0]
	query := url.Values{"limit": {"1000"}}
	for {
		var page struct {
			Events     []checker.Shown `json:"events"`
			NextCursor string          `json:"next_cursor"`
		}
		err := w.ask(ctx, "http://"+reader.public+"/v1/events?"+query.Encode(), func(r *http.Response) error {
			if err := json.NewDecoder(r.Body).Decode(&page); err != nil {
				return fmt.Errorf("read page: %w", err)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		all = append(all, page.Events...)
		if page.NextCursor == "" {
			return all, nil
		}
		query.Set("cursor", page.NextCursor)
	}
}
