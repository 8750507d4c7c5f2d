package registry

import "time"

// Usage is the answer of persistence's GET /v1/applications/{uid}/usage: what an application sent lately.
type Usage struct {
	// LastEventAt is when its newest stored event was received.
	LastEventAt *time.Time `json:"last_event_at,omitempty"`
	// Accepted24h is how many of its events were stored in the last 24 hours, to the hour; Failed24h how many became a
	// Failure.
	Accepted24h int64 `json:"accepted_24h"`
	Failed24h   int64 `json:"failed_24h"`
	// Outcomes24h has the same counts by outcome: stored, duplicate, conflict, failed.
	Outcomes24h map[string]int64 `json:"outcomes_24h"`
	// Credentials has the last use of each credential that was ever used.
	Credentials []CredentialUse `json:"credentials"`
}

// CredentialUse is when a credential last authenticated a request that was recorded.
type CredentialUse struct {
	ID         string    `json:"id"`
	LastUsedAt time.Time `json:"last_used_at"`
}
