package event

import "crypto/sha256"

// Code is the stable, machine-readable reason for which an event was refused or could not be stored.
type Code string

// The codes of events; those of requests are problem codes. Faults of jsonb (json.…) are codes as well.
const (
	CodeNotObject         Code = "event.not_object"    // the event is no JSON object
	CodeSyntax            Code = "json.syntax"         // a line of NDJSON is no JSON value
	CodeTooLarge          Code = "event.too_large"     // more bytes than the application's or the global limit
	CodeMissing           Code = "field.missing"       // a required field is absent
	CodeType              Code = "field.type"          // a field has another JSON type
	CodeLength            Code = "field.length"        // a field has too few or too many characters
	CodeUnknown           Code = "field.unknown"       // a field that events do not have
	CodeCloudEvent        Code = "cloudevent.invalid"  // against a rule of CloudEvents 1.0
	CodeTimestamp         Code = "timestamp.format"    // no RFC 3339 and no YYYY-MM-DD HH:MM:SS
	CodeTooOld            Code = "timestamp.too_old"   // before the application's maxAge
	CodeInFuture          Code = "timestamp.in_future" // beyond the application's maxFuture
	CodeTypeUnknown       Code = "type.unknown"        // an undeclared type, and the application wants no others
	CodeSchemaMismatch    Code = "schema.mismatch"     // data does not conform to the schema of its type
	CodeTooCostly         Code = "schema.too_costly"   // checking data against the schema of its type would take too long
	CodeSchemaUnavailable Code = "schema.unavailable"  // the type's declared schema is faulty and was never good
	CodeConflict          Code = "id.conflict"         // the id was used with other content
	CodeStrict            Code = "request.strict"      // valid, but refused together with an invalid one
	CodeUndecodable       Code = "store.undecodable"   // what travelled on the stream cannot be read back
	CodeStore             Code = "store.refused"       // PostgreSQL refused it as data

	// Why a Failure cannot be replayed.
	CodeNoOriginal    Code = "replay.no_original"    // it was left out, or is only its first part
	CodeNoApplication Code = "replay.no_application" // whose it is could not be read, or is gone
)

// SchemaDigest names a JSON Schema by its content: the SHA-256 of its JSON as the application log has it.
type SchemaDigest [sha256.Size]byte

// Refusal says why one event was refused.
type Refusal struct {
	Code    Code   `json:"code"`
	Detail  string `json:"detail,omitempty"`
	Pointer string `json:"pointer,omitempty"` // RFC 6901, from the event

	Schema *SchemaDigest `json:"-"` // the schema that refused it; nil where none did
}
