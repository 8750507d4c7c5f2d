package kill

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const pod = "0b2c7d1e-1111-4222-8333-444455556666"

// table is a process table with processes by name and cgroup.
func table(t *testing.T, processes map[int][2]string) string {
	t.Helper()
	proc := t.TempDir()
	for pid, p := range processes {
		dir := filepath.Join(proc, fmt.Sprint(pid))
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for file, text := range map[string]string{"comm": p[0] + "\n", "cgroup": p[1] + "\n"} {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	return proc
}

func TestFindKnowsBothCgroupDrivers(t *testing.T) {
	proc := table(t, map[int][2]string{
		1:  {"systemd", "0::/init.scope"},
		10: {"pause", "0::/kubepods/burstable/pod" + pod + "/abc"},
		11: {"ingest", "0::/../../pod" + pod + "/def"},
		12: {"ingest", "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + strings.ReplaceAll(pod, "-", "_") + ".slice/cri-x.scope"},
		13: {"ingest", "0::/kubepods/burstable/podffffffff-1111-4222-8333-444455556666/abc"},
		14: {"v1", "12:memory:/kubepods/pod" + pod + "/ghi\n11:cpu:/kubepods/pod" + pod + "/ghi"},
	})
	if err := os.Mkdir(filepath.Join(proc, "irq"), 0o755); err != nil {
		t.Fatal(err)
	}
	found, err := find(proc, []string{pod})
	if diff := cmp.Diff(map[int]string{11: "ingest", 12: "ingest", 14: "v1"}, found); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

func TestPodsKills(t *testing.T) {
	victim := exec.Command("cat")
	in, err := victim.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := victim.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(in, "alive")
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "alive\n" {
		t.Fatal(line, err)
	}
	proc := table(t, map[int][2]string{victim.Process.Pid: {"cat", "0::/pod" + pod + "/abc"}})
	killed, err := Pods(proc, []string{pod})
	if len(killed) != 1 || err != nil {
		t.Error(killed, err)
	}
	_ = victim.Wait()
	if status := victim.ProcessState.Sys().(syscall.WaitStatus); status.Signal() != syscall.SIGKILL {
		t.Errorf("it ended with %v", victim.ProcessState)
	}
	if _, err := Pods(proc, []string{"another"}); err == nil {
		t.Error("no process was found, and nothing is said")
	}
}
