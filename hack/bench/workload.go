package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// The shape of the work: what a web shop's pages send.
const (
	eventCategory = "page interaction"

	eventBytes = 400  // of one event's JSON
	sessions   = 1000 // visitors at the same time
	poolEvents = 4096 // distinct events: more than any cache line or branch predictor learns
)

// wireEvent is an event as a client sends it. It has no id: the server gives one, so that requests can be built before
// anything is measured and sent again and again.
type wireEvent struct {
	SessionID string          `json:"session_id"`
	Category  string          `json:"category"`
	Name      string          `json:"name"`
	Data      json.RawMessage `json:"data"`
	Timestamp string          `json:"timestamp"`
}

// pageview is the data of an event: typical fields of web analytics.
type pageview struct {
	Host     string  `json:"host"`
	Path     string  `json:"path"`
	Referrer string  `json:"referrer"`
	Title    string  `json:"title"` // padded, so that every event has eventBytes
	Viewport [2]int  `json:"viewport"`
	Language string  `json:"language"`
	LoadMS   float64 `json:"load_ms"`
	LoggedIn bool    `json:"logged_in"`
}

var eventNames = [...]string{"pageview", "add to cart", "search", "login"}

// newEvents makes n events that happened in the minute before now. The same n gives the same events but for the time.
func newEvents(n int, now time.Time) ([]wireEvent, error) {
	random := rand.New(rand.NewPCG(400, 100)) //nolint:gosec // repeatable on purpose
	events := make([]wireEvent, n)
	for i := range events {
		var err error
		if events[i], err = newEvent(random, now); err != nil {
			return nil, err
		}
	}
	return events, nil
}

func newEvent(random *rand.Rand, now time.Time) (wireEvent, error) {
	occurred := now.Add(-time.Duration(random.IntN(60_000_000)) * time.Microsecond)
	e := wireEvent{
		SessionID: fmt.Sprintf("visitor-%012d", random.IntN(sessions)),
		Category:  eventCategory,
		Name:      eventNames[random.IntN(len(eventNames))],
		Timestamp: occurred.UTC().Format("2006-01-02T15:04:05.000000Z"),
	}
	page := pageview{
		Host:     "shop.example.com",
		Path:     fmt.Sprintf("/products/%05d", random.IntN(100_000)),
		Referrer: fmt.Sprintf("https://search.example.com/?page=%03d", random.IntN(1000)),
		Viewport: [2]int{1280 + random.IntN(700), 720 + random.IntN(270)},
		Language: "en-GB",
		LoadMS:   100 + float64(random.IntN(9000))/10,
		LoggedIn: random.IntN(2) == 0,
	}
	return pad(e, page)
}

// pad gives the page a title that makes the whole event eventBytes long.
func pad(e wireEvent, page pageview) (wireEvent, error) {
	if err := e.setData(page); err != nil {
		return e, err
	}
	text, err := json.Marshal(e)
	if err != nil {
		return e, fmt.Errorf("encode event: %w", err)
	}
	missing := eventBytes - len(text)
	if missing < 0 {
		return e, fmt.Errorf("an event without title has %d bytes, more than %d", len(text), eventBytes)
	}
	const words = "A product that somebody looked at, described at some length; "
	page.Title = strings.Repeat(words, missing/len(words)+1)[:missing]
	return e, e.setData(page)
}

func (e *wireEvent) setData(page pageview) (err error) {
	if e.Data, err = json.Marshal(page); err != nil {
		return fmt.Errorf("encode data: %w", err)
	}
	return nil
}

// newBodies makes the bodies of requests with batch events each: a JSON object for one, else an array.
func newBodies(batch int, now time.Time) ([][]byte, error) {
	events, err := newEvents(max(poolEvents, batch), now)
	if err != nil {
		return nil, err
	}
	var bodies [][]byte
	for ; len(events) >= batch; events = events[batch:] {
		var value any = events[:batch]
		if batch == 1 {
			value = events[0]
		}
		body, err := json.Marshal(value)
		if err != nil {
			return nil, fmt.Errorf("encode body: %w", err)
		}
		bodies = append(bodies, body)
	}
	return bodies, nil
}
