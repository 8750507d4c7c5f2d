package load

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	readTimeout = 45 * time.Second // for the last accepted event to become visible
	readEvery   = 200 * time.Millisecond
	examples    = 5 // of what is wrong, in a report
)

// Readback compares what can be read with the ledger. In a sound system all but Read and Unacked are 0.
type Readback struct {
	Read       int `json:"read"`
	Missing    int `json:"missing"`    // accepted, and not there
	Duplicated int `json:"duplicated"` // there more than once
	Foreign    int `json:"foreign"`    // never sent, or with other content
	Refused    int `json:"refused"`    // refused by an answer, and there all the same
	Unacked    int `json:"unacked"`    // there without having been accepted, as may be: some request with it got no answer, or 5xx
	// Miscounted is by how much the sessions' own counts differ from what was read.
	Miscounted int      `json:"miscounted"`
	Examples   []string `json:"examples"`
}

// Sound tells whether nothing is lost, twice, foreign or miscounted.
func (r Readback) Sound() bool {
	return r.Missing == 0 && r.Duplicated == 0 && r.Foreign == 0 && r.Refused == 0 && r.Miscounted == 0
}

func (r *Readback) example(format string, args ...any) {
	if len(r.Examples) < examples {
		r.Examples = append(r.Examples, fmt.Sprintf(format, args...))
	}
}

// stored is an event as it is read.
type stored struct {
	ID        string `json:"id"`
	SessionID string `json:"session_id"`
	Data      struct {
		N int `json:"n"`
	} `json:"data"`
}

// Check reads the events of runs back until all that were accepted are there, or until it takes too long.
func Check(ctx context.Context, client *Client, credentials *Credentials, runs []*Run) (Readback, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	query := url.Values{"limit": {"1000"}}
	if len(runs) == 1 {
		query.Set("category", runs[0].plan.Run)
	}
	for {
		result, err := compare(ctx, client, credentials, runs, query)
		if err == nil && (result.Missing == 0 && result.Miscounted == 0) {
			return result, nil
		}
		timer := time.NewTimer(readEvery)
		select {
		case <-ctx.Done():
			timer.Stop()
			if err == nil || result.Read > 0 {
				return result, nil
			}
			return result, fmt.Errorf("read back: %w", err)
		case <-timer.C:
		}
	}
}

// compare reads once.
func compare(ctx context.Context, client *Client, credentials *Credentials, runs []*Run, query url.Values) (Readback, error) {
	counts := make([][]int, len(runs))
	for i, r := range runs {
		counts[i] = make([]int, len(r.entries()))
	}
	var result Readback
	err := client.events(ctx, credentials, query, func(e stored) {
		result.Read++
		for i, r := range runs {
			if n, ok := r.owns(e); ok {
				counts[i][n]++
				return
			}
		}
		result.Foreign++
		result.example("foreign: %s", e.ID)
	})
	if err != nil {
		return Readback{}, err
	}
	for i, r := range runs {
		result.judge(r, counts[i])
	}
	counted, err := countSessions(ctx, client, credentials, runs)
	if err != nil {
		return Readback{}, err
	}
	if result.Miscounted = counted - result.Read; result.Miscounted != 0 {
		result.example("the sessions count %d events, %d were read", counted, result.Read)
	}
	return result, nil
}

// judge compares how often each event of a run is there with what the run knows of it.
func (r *Readback) judge(run *Run, counts []int) {
	for n, e := range run.entries() {
		id := run.prefix + strconv.Itoa(n)
		switch {
		case counts[n] > 1:
			r.Duplicated++
			r.example("%d times: %s", counts[n], id)
		case counts[n] == 0 && e.state == acked:
			r.Missing++
			r.example("missing: %s", id)
		case counts[n] == 1 && e.state != acked && e.maybe:
			r.Unacked++
		case counts[n] == 1 && e.state != acked:
			r.Refused++
			r.example("refused and stored: %s", id)
		}
	}
}

// entries is the ledger as it is now; a run that stopped has one that stays.
func (r *Run) entries() []entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]entry(nil), r.ledger...)
}

// owns finds an event's place in the run's ledger. One with another session or other data than was sent is nobody's.
func (r *Run) owns(e stored) (int, bool) {
	text, ok := strings.CutPrefix(e.ID, r.prefix)
	if !ok {
		return 0, false
	}
	n, err := strconv.Atoi(text)
	r.mu.Lock()
	defer r.mu.Unlock()
	return n, err == nil && n >= 0 && n < len(r.ledger) && n == e.Data.N && e.SessionID == r.session(n%sessions)
}

// events reads all pages of a question.
func (c *Client) events(ctx context.Context, credentials *Credentials, query url.Values, each func(stored)) error {
	for cursor := ""; ; {
		asked := maps.Clone(query)
		if cursor != "" {
			asked.Set("cursor", cursor)
		}
		var page struct {
			Events     []stored `json:"events"`
			NextCursor string   `json:"next_cursor"`
		}
		credential, _, _ := credentials.Version(0)
		if err := c.get(ctx, credential, "/v1/events", asked, &page); err != nil {
			return err
		}
		for _, e := range page.Events {
			each(e)
		}
		if cursor = page.NextCursor; cursor == "" {
			return nil
		}
	}
}

// countSessions adds up what the runs' sessions say of themselves. They are counted when events are stored, apart from
// the rows.
func countSessions(ctx context.Context, client *Client, credentials *Credentials, runs []*Run) (int, error) {
	total := 0
	for _, r := range runs {
		for n := range min(sessions, len(r.entries())) {
			var session struct {
				Count int `json:"count"`
			}
			credential, _, _ := credentials.Version(0)
			err := client.get(ctx, credential, "/v1/sessions/"+url.PathEscape(r.session(n)), url.Values{"limit": {"1"}}, &session)
			var status *statusError
			if errors.As(err, &status) && status.status == http.StatusNotFound {
				continue // none of its events is there
			}
			if err != nil {
				return 0, err
			}
			total += session.Count
		}
	}
	return total, nil
}
