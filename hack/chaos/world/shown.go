package world

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/theeye-dev/theeye/hack/chaos/checker"
)

// readTime bounds one read: its statements may take 15 s.
const readTime = 30 * time.Second

// shown reads all events of applications as an analyst does, page by page, from a replica of persistence.
func (w *World) shown(ctx context.Context, applications map[string]bool) (all []checker.Shown, err error) {
	reader := w.Running(Persistence)[0]
	for app := range applications {
		query := url.Values{"limit": {"1000"}, "application": {app}}
		for more := true; more; more = query.Get("cursor") != "" {
			page, next, err := w.page(ctx, "http://"+reader.public+"/v1/events?"+query.Encode())
			if err != nil {
				return nil, err
			}
			all = append(all, page...)
			query.Set("cursor", next)
		}
	}
	return all, nil
}

func (w *World) page(ctx context.Context, url string) (events []checker.Shown, next string, err error) {
	var page struct {
		Events     []checker.Shown `json:"events"`
		NextCursor string          `json:"next_cursor"`
	}
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	err = call(ctx, url, "Bearer "+w.AdminToken, func(r *http.Response) error {
		if err := json.NewDecoder(r.Body).Decode(&page); err != nil {
			return fmt.Errorf("read page: %w", err)
		}
		return nil
	})
	return page.Events, page.NextCursor, err
}
