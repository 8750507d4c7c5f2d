// Package api holds the contracts between the parts of TheEye and the world: the HTTP contract here, and in the
// packages below what travels between the services.
package api

import _ "embed"

// OpenAPI is the HTTP contract of ingest, auth and persistence: an OpenAPI 3.1 document in YAML.
//
//go:embed openapi.yaml
var OpenAPI []byte
