package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/hack/servers"
)

// pageviewSchema is what a careful team would declare of the workload's events: every member, its type and its bounds.
const pageviewSchema = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "required": ["host", "path", "title", "viewport", "language", "load_ms", "logged_in"],
  "additionalProperties": false,
  "properties": {
    "host": {"type": "string", "maxLength": 253},
    "path": {"type": "string", "pattern": "^/", "maxLength": 2048},
    "referrer": {"type": "string", "maxLength": 2048},
    "title": {"type": "string"},
    "viewport": {"type": "array", "minItems": 2, "maxItems": 2, "items": {"type": "integer", "minimum": 0}},
    "language": {"enum": ["en-GB", "en-US", "de-DE", "fr-FR"]},
    "load_ms": {"type": "number", "minimum": 0},
    "logged_in": {"type": "boolean"}
  }
}`

// strictApplication is the same application with a schema for each of the workload's types, and no others allowed.
func strictApplication() registry.DesiredApplication {
	want := desiredApplication()
	want.Policy.UnknownEvents = registry.RejectUnknown
	for _, name := range eventNames {
		want.Policy.EventTypes = append(want.Policy.EventTypes, registry.EventType{
			Category: eventCategory, Name: name, Schema: registry.Schema(pageviewSchema),
		})
	}
	return want
}

// declare makes the application strict and returns when ingest follows: when it refuses an event without data. accepted
// is how many of those it took before.
func (e *eye) declare(ctx context.Context) (accepted uint64, err error) {
	if err := e.desire(ctx, strictApplication()); err != nil {
		return 0, err
	}
	const probe = `{"session_id":"probe","category":"` + eventCategory + `","name":"login"}`
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	err = servers.Await(ctx, nil, e.running[serviceIngest].log, func(ctx context.Context) error {
		_, err := call(ctx, http.MethodPost, "http://"+e.running[serviceIngest].public+"/v1/events", e.authorization(),
			strings.NewReader(probe), http.StatusUnprocessableEntity)
		if status := (*statusError)(nil); errors.As(err, &status) && status.status == http.StatusAccepted {
			accepted++
		}
		return err
	})
	if err != nil {
		err = fmt.Errorf("declare schemas: %w", err)
	}
	return accepted, err
}
