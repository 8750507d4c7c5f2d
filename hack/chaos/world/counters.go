package world

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Counters are what the services say of themselves, summed up over all their lives. What a process counted after it was
// last asked is lost with it: these are lower bounds.
type Counters struct {
	mu    sync.Mutex
	lives map[string]map[string]float64 // service and life → metric → value
}

// Metrics that a run must have moved.
const (
	Redeliveries = "theeye_redeliveries_total"
	Claims       = "theeye_claims_total"
	Deleted      = "theeye_entries_lost_total"
)

// askEvery is how often counters are read: the less is lost with a process, the better.
const askEvery = 500 * time.Millisecond

// Watch reads counters until the context ends, and then once more.
func (w *World) Watch(ctx context.Context, c *Counters) {
	ticker := time.NewTicker(askEvery)
	defer ticker.Stop()
	for {
		w.count(context.WithoutCancel(ctx), c)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (w *World) count(ctx context.Context, c *Counters) {
	var wg sync.WaitGroup
	for _, s := range w.Running(Persistence) {
		wg.Go(func() {
			life := fmt.Sprint(s.counted(), s.Starts())
			_ = get(ctx, "http://"+s.ops+"/metrics", func(r *http.Response) error { // one that is away has nothing to say
				return c.read(life, r)
			})
		})
	}
	wg.Wait()
}

func (c *Counters) read(life string, r *http.Response) error {
	values := map[string]float64{}
	lines := bufio.NewScanner(r.Body)
	for lines.Scan() {
		name, rest, _ := strings.Cut(lines.Text(), " ")
		name, labels, _ := strings.Cut(name, "{")
		if labels != "" { // a label's value may hold a blank; the number is the last word
			rest = lines.Text()[strings.LastIndexByte(lines.Text(), ' ')+1:]
		}
		if value, err := strconv.ParseFloat(rest, 64); err == nil {
			values[name] += value
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read metrics: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lives == nil {
		c.lives = map[string]map[string]float64{}
	}
	c.lives[life] = values
	return nil
}

// counted begins the names of a service's lives.
func (s *Service) counted() string { return s.Name + " " }

// SumOf is a metric of one service, over all its lives and over all labels.
func (c *Counters) SumOf(s *Service, metric string) (sum float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for life, values := range c.lives {
		if strings.HasPrefix(life, s.counted()) {
			sum += values[metric]
		}
	}
	return sum
}

// Sum of a metric over all lives of all services and over all labels.
func (c *Counters) Sum(metric string) (sum float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, values := range c.lives {
		sum += values[metric]
	}
	return sum
}
