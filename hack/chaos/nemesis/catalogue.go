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

// Choose returns the faults of the catalogue that are named; all and none are names, too.
func Choose(names string) ([]Fault, error) {
	switch names {
	case "all":
		return Catalogue(), nil
	case "none", "":
		return nil, nil
	}
	var chosen []Fault
	for name := range strings.SplitSeq(names, ",") {
		found := slices.IndexFunc(Catalogue(), func(f Fault) bool { return f.Name == name })
		if found < 0 {
			return nil, fmt.Errorf("there is no fault %q", name)
		}
		chosen = append(chosen, Catalogue()[found])
	}
	return chosen, nil
}

// Names of the catalogue.
func Names() (names []string) {
	for _, f := range Catalogue() {
		names = append(names, f.Name)
	}
	return names
}

// Possible are the names of those that can be done on this machine in runs of a certain length.
func Possible(run time.Duration) (names []string) {
	for _, f := range Catalogue() {
		if (f.Needs == nil || world.CanMount()) && f.Fits(run) {
			names = append(names, f.Name)
		}
	}
	return names
}

// Kills are the names of those that end a process by SIGKILL.
func Kills() (names []string) {
	for _, name := range Names() {
		if strings.HasPrefix(name, "kill-") || name == "rename-consumer" || name == powerLossRedis {
			names = append(names, name)
		}
	}
	return names
}
