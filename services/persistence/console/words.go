package console

// meaning of an outcome, for whoever sees the word for the first time.
func meaning(outcome string) string {
	return map[string]string{
		"stored": "an event as it was sent, once", "duplicate": "the same event sent again: nothing was to be done",
		"conflict": "another event under an id that is taken: kept as a failure", "failed": "accepted, and could not be stored: kept as a failure",
		"refused": "not accepted, for the reason that the sender was told: kept as a failure",
	}[outcome]
}

// whereabouts is the page that has what came to an outcome; "": none has.
func whereabouts(outcome string) string {
	return map[string]string{
		"stored": "/events", "conflict": "/failures?code=id.conflict", "failed": "/failures?stage=persistence", "refused": "/failures?stage=ingest",
	}[outcome]
}
