// Package registry is the contract around auth: the desired state that its admin API takes, and the record of an
// application that it publishes on the application log for everyone who checks requests.
package registry

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/apikey"
)

// The application log in Redis. Both keys share a hash tag, so that one script writes them in a Redis Cluster.
const (
	// LogKey is the stream of changes: every entry has FieldRecord and FieldPrevious.
	LogKey = "theeye:{applications}"
	// LatestKey is the hash with the newest record of every application by UID, beside FieldTail and FieldComplete.
	LatestKey = "theeye:{applications}:latest"

	// FieldRecord is a log entry's field with an Application in JSON.
	FieldRecord = "record"
	// FieldPrevious is a log entry's field with the id of the entry before it: a reader that holds another has a gap.
	FieldPrevious = "previous"
	// FieldTail is the hash's field with the id of the newest log entry.
	FieldTail = "tail"
	// FieldComplete is the hash's field that says that every application is in it; it is written last.
	FieldComplete = "complete"
)

// Application is the record of one application as auth publishes it. It holds nothing secret but hashes.
type Application struct {
	UID         uuid.UUID    `json:"uid"`
	Namespace   string       `json:"namespace"`
	Name        string       `json:"name"`
	ClientID    string       `json:"clientID"`
	Revision    int64        `json:"revision"` // grows with every change, also across a lost database
	Deleted     bool         `json:"deleted,omitempty"`
	Policy      Policy       `json:"policy"`
	Credentials []Credential `json:"credentials,omitempty"`

	// Cluster is the id of the cluster whose operator keeps the application; "" for one that is kept by hand. An operator
	// ends only applications of its own cluster.
	Cluster string `json:"cluster,omitempty"`
	// DeletionPolicy says what becomes of its events with it, also when its resource is gone already: "" retains them.
	DeletionPolicy DeletionPolicy `json:"deletionPolicy,omitempty"`
}

// DeletionPolicy says what becomes of an application's events with it.
type DeletionPolicy string

// The deletion policies; the empty value is Retain.
const (
	Retain DeletionPolicy = "Retain"
	Erase  DeletionPolicy = "Erase"
)

// Credential is one of an application's live credentials.
type Credential struct {
	ID       string     `json:"id"`
	SHA256   Digest     `json:"sha256"`
	NotAfter *time.Time `json:"notAfter,omitempty"` // nil: until it is deleted
}

// DesiredApplication is the body of PUT /v1/applications/{uid}.
type DesiredApplication struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Policy    Policy `json:"policy"`

	Cluster        string         `json:"cluster,omitempty"` // at most 63 lower-case letters, digits and hyphens
	DeletionPolicy DeletionPolicy `json:"deletionPolicy,omitempty"`
}

// DesiredCredential is the body of PUT /v1/applications/{uid}/credentials/{id}.
type DesiredCredential struct {
	SHA256   Digest     `json:"sha256"`             // of the API key, in hexadecimal
	NotAfter *time.Time `json:"notAfter,omitempty"` // RFC 3339; absent: no end
}

// Digest is the hash of an API key; in JSON 64 hexadecimal digits.
type Digest apikey.Hash

// MarshalText writes hexadecimal digits.
func (d Digest) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, d[:]), nil }

// UnmarshalText reads 64 hexadecimal digits.
func (d *Digest) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(len(d)) {
		return errDigest
	}
	if _, err := hex.Decode(d[:], text); err != nil {
		return errDigest
	}
	return nil
}

var errDigest = fmt.Errorf("sha256 must be %d hexadecimal digits", hex.EncodedLen(len(Digest{})))

// Duration is a time.Duration that reads and writes as in Kubernetes: "720h", "5m".
type Duration time.Duration

// MarshalText writes the form of time.Duration.String.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads the form of time.ParseDuration.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("read duration: %w", err)
	}
	*d = Duration(parsed)
	return nil
}

// Schema is a JSON Schema as it was written.
type Schema = json.RawMessage
