// Package kill ends the processes of pods as a crash does: SIGKILL, without a word to the kubelet. It runs on the pods'
// node and in its process namespace, for from within a container the first process cannot be killed.
package kill

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// sandbox is the process that holds a pod's namespaces together: it belongs to the pod and to none of its containers.
const sandbox = "pause"

// Pods kills all processes of the containers of pods, by the pods' UIDs, and says which; finding none is an error.
func Pods(proc string, uids []string) ([]string, error) {
	victims, err := find(proc, uids)
	if err != nil {
		return nil, err
	}
	if len(victims) == 0 {
		return nil, fmt.Errorf("no process of pods %s on this node", strings.Join(uids, ", "))
	}
	var killed []string
	var failed []error
	for pid, name := range victims {
		switch err := syscall.Kill(pid, syscall.SIGKILL); {
		case err == nil:
			killed = append(killed, fmt.Sprintf("%s (%d)", name, pid))
		case !errors.Is(err, syscall.ESRCH): // it went with its parent
			failed = append(failed, fmt.Errorf("kill %s (%d): %w", name, pid, err))
		}
	}
	slices.Sort(killed)
	return killed, errors.Join(failed...)
}

// find looks through the process table for processes in cgroups of the pods: their names by process id.
func find(proc string, uids []string) (map[int]string, error) {
	entries, err := os.ReadDir(proc)
	if err != nil {
		return nil, fmt.Errorf("read process table: %w", err)
	}
	found := map[int]string{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		name, err := os.ReadFile(filepath.Join(proc, e.Name(), "comm"))
		if err != nil {
			continue // it has ended meanwhile
		}
		cgroup, err := os.ReadFile(filepath.Join(proc, e.Name(), "cgroup"))
		if comm := strings.TrimSpace(string(name)); err == nil && comm != sandbox && of(string(cgroup), uids) {
			found[pid] = comm
		}
	}
	return found, nil
}

// of tells whether a cgroup is of one of the pods. systemd's driver writes the UID with underscores.
func of(cgroup string, uids []string) bool {
	cgroup = strings.ReplaceAll(cgroup, "_", "-")
	return slices.ContainsFunc(uids, func(uid string) bool { return strings.Contains(cgroup, uid) })
}
