package cluster_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// machine is one with the programs that a test gives it, in a home of its own.
type machine struct {
	home, programs string
}

func newMachine(t *testing.T) machine {
	t.Helper()
	m := machine{home: t.TempDir(), programs: t.TempDir()}
	for _, dir := range []string{".kube", "theeye/hack/cluster"} {
		if err := os.MkdirAll(filepath.Join(m.home, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	script, err := os.ReadFile("find")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(m.home, "theeye/hack/cluster/find"), script, 0o755); err != nil {
		t.Fatal(err)
	}
	return m
}

// has puts a program there that writes down how it was called and what it was given, and then runs a script.
func (m machine) has(t *testing.T, program, script string) {
	t.Helper()
	text := "#!/bin/sh\necho \"" + program + " $*\" >>\"$HOME/calls\"\n" + script + "\n"
	if err := os.WriteFile(filepath.Join(m.programs, program), []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

// find runs the script: its output, what it told people, and whether it found a cluster.
func (m machine) find(t *testing.T, env ...string) (output, said string, ok bool) {
	t.Helper()
	command := exec.CommandContext(t.Context(), filepath.Join(m.home, "theeye/hack/cluster/find"))
	command.Env = append([]string{"HOME=" + m.home, "PATH=" + m.programs + ":/usr/bin:/bin", "KIND=kind"}, env...)
	var words strings.Builder
	command.Stderr = &words
	out, err := command.Output()
	return strings.TrimSpace(string(out)), words.String(), err == nil
}

func (m machine) calls(t *testing.T) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(m.home, "calls"))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func (m machine) kubeconfig(t *testing.T, name string) string {
	t.Helper()
	file := filepath.Join(m.home, name)
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestKubeconfigGoesFirst(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	own := m.kubeconfig(t, ".kube/config")
	if got, _, ok := m.find(t); !ok || got != "export KUBECONFIG='"+own+"'" {
		t.Errorf("with ~/.kube/config it says %q", got)
	}
	other := m.kubeconfig(t, "other")
	spaced := m.kubeconfig(t, "with a space")
	for _, set := range []string{other, "/nowhere:" + other, spaced} {
		if got, _, ok := m.find(t, "KUBECONFIG="+set); !ok || got != "export KUBECONFIG='"+set+"'" {
			t.Errorf("with KUBECONFIG=%s it says %q", set, got)
		}
	}
	// What was asked for and is not there must not end on whatever other cluster this machine knows.
	if got, said, ok := m.find(t, "KUBECONFIG=/nowhere"); ok || got != "" || !strings.Contains(said, "/nowhere") {
		t.Errorf("with a KUBECONFIG that is not there it says %q, %q", got, said)
	}
}

func TestWithoutAnyClusterItSaysWhatToDo(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.has(t, "docker", "exit 1") // installed, and not running
	got, said, ok := m.find(t)
	if ok || got != "" || !strings.Contains(said, "make e2e KUBECONFIG=") {
		t.Errorf("it says %q, %q", got, said)
	}
}

func TestKindIsSetUpOnce(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.has(t, "docker", `case "$1 $*" in
		"inspect "*) [ ! -e "$HOME/registry" ] || echo true ;;
		"run "*) : >"$HOME/registry" ;;
		"exec "*) cat >>"$HOME/calls" ;;
		esac`)
	m.has(t, "kind", `case "$1 $2" in
		"create cluster") : >"$HOME/cluster" ;;
		"get clusters") [ ! -e "$HOME/cluster" ] || echo theeye-e2e ;;
		"get nodes") echo node-1; echo node-2 ;;
		esac`)
	for range 2 {
		got, said, ok := m.find(t)
		if want := "export KUBECONFIG='" + m.home + "/theeye/.local/kind/kubeconfig'"; !ok || got != want {
			t.Fatalf("it says %q, %q", got, said)
		}
	}
	calls := m.calls(t)
	for what, want := range map[string]int{
		"docker run ":                                    1,
		"-p 127.0.0.1:5001:5000":                         1,
		"kind create cluster":                            1,
		"kind export kubeconfig":                         1,
		"docker network connect kind theeye-registry":    2,
		"/etc/containerd/certs.d/ghcr.io/hosts.toml":     4,
		"/certs.d/127.0.0.1:5001/hosts.toml":             4,
		`[host."http://theeye-registry:5000"]`:           8,
		"docker exec -i node-1":                          4,
		"docker exec -i node-2":                          4,
		m.home + "/theeye/.local/kind/kubeconfig --wait": 1,
	} {
		if got := strings.Count(calls, what); got != want {
			t.Errorf("%q was done %d times, not %d:\n%s", what, got, want, calls)
		}
	}
}
