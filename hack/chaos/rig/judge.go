package rig

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/theeye-dev/theeye/hack/chaos/checker"
	"github.com/theeye-dev/theeye/hack/chaos/history"
	"github.com/theeye-dev/theeye/hack/chaos/world"
)

// Files of a run, from which it can be judged again.
const (
	historyFile = "history.jsonl"
	storeFile   = "store.json"
)

// judge reads what is stored, keeps it beside the history, and holds the two against each other.
func (c *Config) judge(ctx context.Context, w *world.World, file *history.File, counters *world.Counters, r *Result) error {
	stored, err := w.Stored(ctx)
	if err != nil {
		return err //nolint:wrapcheck // says what
	}
	text, err := json.MarshalIndent(stored, "", " ")
	if err != nil {
		return fmt.Errorf("keep what is stored: %w", err)
	}
	if err := os.WriteFile(filepath.Join(c.Dir, storeFile), text, 0o600); err != nil {
		return fmt.Errorf("keep what is stored: %w", err)
	}
	h := file.History()
	r.Findings = append(r.Findings, checker.Check(h, stored)...)
	for _, note := range w.Notes() {
		r.Findings = append(r.Findings, checker.Finding{Invariant: Process, Detail: note})
	}
	if n := counters.Sum(world.Deleted); n > 0 {
		r.Findings = append(r.Findings, checker.Finding{Invariant: checker.Lost, Detail: fmt.Sprintf("%.0f entries were deleted before they were acknowledged", n)})
	}
	r.Evidence = checker.EvidenceOf(h, stored)
	r.Evidence[checker.Redelivered] = int64(counters.Sum(world.Redeliveries))
	r.Evidence[checker.Claimed] = int64(counters.Sum(world.Claims))
	return nil
}

// History reads what the clients of a run knew, from its directory.
func History(dir string) (h history.History, err error) {
	file, err := os.Open(filepath.Join(dir, historyFile))
	if err != nil {
		return h, fmt.Errorf("open history: %w", err)
	}
	defer file.Close()        //nolint:errcheck // only read
	return history.Read(file) //nolint:wrapcheck // says what
}

// Judge judges a run again from its directory.
func Judge(dir string) ([]checker.Finding, error) {
	h, err1 := History(dir)
	text, err2 := os.ReadFile(filepath.Join(dir, storeFile))
	var stored checker.Store
	if err := errors.Join(err1, err2); err != nil {
		return nil, fmt.Errorf("read run: %w", err)
	}
	if err := json.Unmarshal(text, &stored); err != nil {
		return nil, fmt.Errorf("read %s: %w", storeFile, err)
	}
	return checker.Check(h, stored), nil
}
