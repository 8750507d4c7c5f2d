package jsonb

import "fmt"

// Limits within which jsonb gives back the value that was sent. The figures are well inside PostgreSQL's own and keep
// what a read returns about as large as what was sent: 1e131071 is eight bytes to send and 131,072 to read.
const (
	MaxDepth    = 64   // containers inside one another; jsonb fails near 20,000 by exhausting its stack
	MaxKeys     = 1000 // members of one object
	MaxKeyBytes = 256  // bytes of one decoded key
	MaxDigits   = 64   // digits of one number, the exponent's not counted
	MaxExponent = 308  // magnitude of a written exponent: what a float64 can hold
)

// FaultCode says why jsonb would not keep a well-formed value as it is.
type FaultCode string

// The faults a Scanner finds.
const (
	FaultUTF8         FaultCode = "json.utf8"
	FaultNUL          FaultCode = "json.nul"
	FaultSurrogate    FaultCode = "json.surrogate"
	FaultDuplicateKey FaultCode = "json.duplicate_key"
	FaultDepth        FaultCode = "json.depth"
	FaultNumber       FaultCode = "json.number"
	FaultKeys         FaultCode = "json.keys"
	FaultSize         FaultCode = "json.size"
)

// Fault is the first reason why jsonb would not keep a value as it is.
type Fault struct {
	Code    FaultCode
	Detail  string
	Pointer string // RFC 6901, from the scanned value
	// Line and Column tell where in the scanner's text it begins. They count from 1, Column in characters.
	Line, Column int
}

// SyntaxError tells where text stops being JSON.
type SyntaxError struct {
	Offset, Line, Column int // Offset counts bytes from 0; Line and Column count from 1, Column in characters
	Detail               string
	Pointer              string // RFC 6901, from the scanned value: the innermost part that had begun
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("%s at line %d, column %d", e.Detail, e.Line, e.Column)
}
