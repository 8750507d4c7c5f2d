package nemesis

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/theeye-dev/theeye/hack/chaos/world"
)

// Catalogue is everything that can be done.
func Catalogue() []Fault {
	return slices.Concat(processFaults(), linkFaults(), redisFaults(), postgresFaults(), failpointFaults())
}

// Choose returns the faults of a catalogue that are named; all and none are names, too.
func Choose(catalogue []Fault, names string) ([]Fault, error) {
	switch names {
	case "all":
		return catalogue, nil
	case "none", "":
		return nil, nil
	}
	var chosen []Fault
	for name := range strings.SplitSeq(names, ",") {
		found := slices.IndexFunc(catalogue, func(f Fault) bool { return f.Name == name })
		if found < 0 {
			return nil, fmt.Errorf("there is no fault %q", name)
		}
		chosen = append(chosen, catalogue[found])
	}
	return chosen, nil
}

// Names of faults.
func Names(faults []Fault) (names []string) {
	for _, f := range faults {
		names = append(names, f.Name)
	}
	return names
}

// Possible are the names of those that can be done on this machine in runs of a certain length.
func Possible(catalogue []Fault, run time.Duration) (names []string) {
	for _, f := range catalogue {
		if (f.Needs == nil || world.CanMount()) && f.Fits(run) {
			names = append(names, f.Name)
		}
	}
	return names
}

// Kills are the names of those that end a process by SIGKILL.
func Kills() (names []string) {
	for _, name := range slices.Concat(Names(Catalogue()), Names(clusterFaults())) {
		if strings.HasPrefix(name, "kill-") || name == "rename-consumer" || name == powerLossRedis {
			names = append(names, name)
		}
	}
	return names
}
