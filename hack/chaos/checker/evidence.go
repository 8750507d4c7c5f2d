package checker

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/theeye-dev/theeye/hack/chaos/history"
)

// Evidence is what a run has tried, and how often: a run that tried little proves little.
type Evidence map[string]int64

// What every invocation has to have tried; beside it, of each fault that was struck, that it took effect.
const (
	Acknowledged   = "events acknowledged"
	InDoubt        = "requests in doubt"
	RejectedEvents = "events refused"
	Redelivered    = "entries delivered again"
	Claimed        = "entries claimed"
	Conflicts      = "conflicts reported"
	Duplicates     = "duplicates recognised"
	Rotations      = "credentials revoked"
)

// struck is the beginning of the name of a fault that was struck, took of one that took effect.
const (
	struck = "struck: "
	took   = "took effect: "
)

// EvidenceOf counts what a history and a store tell. What only processes know is added by the caller.
func EvidenceOf(h history.History, s Store) Evidence {
	e := Evidence{}
	for i := range h.Intents {
		intent := &h.Intents[i]
		o, answered := h.Outcomes[intent.Send]
		e[string(intent.Reason)]++
		if !answered || o.Status == 0 || o.Status == http.StatusServiceUnavailable {
			e[InDoubt]++
		}
		for _, v := range o.Verdicts {
			if v.Code == "" {
				e[Acknowledged]++
			} else {
				e[RejectedEvents]++
			}
		}
	}
	for _, f := range s.Failures {
		if f.Code == codeConflict && f.Stage != stageIngest {
			e[Conflicts]++
		}
	}
	for _, n := range s.Duplicates {
		e[Duplicates] += n
	}
	for _, step := range h.Credentials {
		if step.Step == history.Revoked {
			e[Rotations]++
		}
	}
	for _, f := range h.Faults {
		e[struck+f.Name]++
		if f.Effect != "" && f.Error == "" {
			e[took+f.Name]++
		}
	}
	return e
}

// Add sums up.
func (e Evidence) Add(other Evidence) {
	for name, n := range other {
		e[name] += n
	}
}

// unlucky is how often a fault may be struck without any effect, or without what follows from it: a link may happen to be
// idle.
const unlucky = 2

// Vacuous lists what should have been tried and was not: what the workload does, redeliveries and claims when anything
// was struck, the faults that are wanted, and others that were struck again and again without any effect.
func (e Evidence) Vacuous(wanted []string) (missing []string) {
	demanded := []string{
		Acknowledged, RejectedEvents, Conflicts, Duplicates, string(history.AfterAck), string(history.AtOnce),
		string(history.Conflicting), string(history.Hostile), string(history.Forged),
	}
	faults := slices.Clone(wanted)
	broken := len(wanted) > 0
	for name, times := range e {
		fault, ok := strings.CutPrefix(name, struck)
		broken = broken || ok
		if ok && times > unlucky && !slices.Contains(faults, fault) {
			faults = append(faults, fault)
		}
	}
	if broken {
		demanded = append(demanded, InDoubt, string(history.AfterDoubt), Redelivered, Rotations)
	}
	for _, fault := range faults {
		demanded = append(demanded, took+fault)
	}
	// What one has left may be delivered again before it counts as dead, after the store was gone.
	if e[took+"rename-consumer"] > unlucky {
		demanded = append(demanded, Claimed)
	}
	for _, name := range demanded {
		if e[name] == 0 {
			missing = append(missing, name)
		}
	}
	slices.Sort(missing)
	return missing
}

// Struck lists the faults and how often each was struck and took effect.
func (e Evidence) Struck() (faults []string, effective map[string]int64) {
	effective = map[string]int64{}
	for _, name := range slices.Sorted(maps.Keys(e)) {
		if fault, ok := strings.CutPrefix(name, struck); ok {
			faults = append(faults, fault)
			effective[fault] = e[took+fault]
		}
	}
	return faults, effective
}
