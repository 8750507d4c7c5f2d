package services_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/theeye-dev/theeye/hack/servers"
)

const runbooks = "../charts/theeye/runbooks"

// fakeKubectl stands for the cluster: it has the Secret, and runs here what would be run in a pod, whose programs it has
// find the test's servers. It notes all arguments that any process gets from it.
const fakeKubectl = `#!/bin/sh
set -eu
echo "$*" >>"$NOTES"
case "$*" in
"-n theeye-system get secret theeye-passwords -o jsonpath={.data.redis-admin}") base64 -w 0 "$PASSWORDS/admin" ;;
"-n theeye-system exec -i theeye-redis-0 -- sh -c "*) shift 6; export PATH="$POD:$PATH"; exec "$@" ;;
"-n theeye-system exec theeye-postgres-0 -- psql "*) shift 5; export PGHOST="$SOCKETS"; exec "$@" ;;
*) echo "the cluster does not know: $*" >&2; exit 1 ;;
esac
`

// onCall is a person with a shell and a runbook.
type onCall struct {
	function string // that the README gives
	env      []string
	notes    string
}

func newOnCall(t *testing.T, s *chartSystem) onCall {
	t.Helper()
	server, err := servers.FindRedis()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	pod, notes := filepath.Join(dir, "pod"), filepath.Join(dir, "notes")
	cli := fmt.Sprintf("#!/bin/sh\necho \"$*\" >>\"$NOTES\"\nexec %s -p %s \"$@\"\n", filepath.Join(filepath.Dir(server), "redis-cli"), s.redis.port)
	writeFiles(t, dir, map[string]string{"kubectl": fakeKubectl})
	writeFiles(t, pod, map[string]string{"redis-cli": cli})
	for _, program := range []string{filepath.Join(dir, "kubectl"), filepath.Join(pod, "redis-cli")} {
		if err := os.Chmod(program, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	function := regexp.MustCompile(`(?m)^ {4}redis\(\) \{\n(?: {6}.*\n)+ {4}\}$`).FindString(readFile(t, filepath.Join(runbooks, "README.md")))
	if function == "" {
		t.Fatal("the README has no function redis")
	}
	return onCall{function: function, notes: notes, env: []string{
		"PATH=" + dir + ":" + s.postgres.bin + ":" + os.Getenv("PATH"), "NOTES=" + notes, "POD=" + pod,
		"PASSWORDS=" + s.redis.path("passwords"), "SOCKETS=" + s.postgres.dir, "PGPORT=" + s.postgres.port,
	}}
}

// types runs a line as a page has it.
func (o onCall) types(ctx context.Context, line string) (string, error) {
	command := exec.CommandContext(ctx, "/bin/sh", "-c", o.function+"\n"+line)
	command.Env = o.env
	var said bytes.Buffer
	command.Stdout, command.Stderr = &said, &said
	err := command.Run()
	return said.String(), err
}

// TestRunbooksWorkAsTyped runs every line with redis or psql of every runbook, on the built-in ones.
func TestRunbooksWorkAsTyped(t *testing.T) {
	t.Parallel()
	s := newChartSystem(t)
	person := newOnCall(t, s)
	pages, err := filepath.Glob(filepath.Join(runbooks, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	lines := regexp.MustCompile(`(?m)^ {4}(?:redis |.* psql ).*$`)
	names := strings.NewReplacer("(PID)", "(0)", "' GROUP", "' nobody")
	tried := map[string]int{}
	for _, page := range pages {
		text := readFile(t, page)
		for _, line := range lines.FindAllString(text, -1) {
			program, _, _ := strings.Cut(strings.TrimSpace(line), " ")
			tried[program]++
			if said, err := person.types(t.Context(), names.Replace(line)); err != nil {
				t.Errorf("%s:%s\n%v: %s", filepath.Base(page), line, err, said)
			}
		}
		if filepath.Base(page) != "README.md" && lines.MatchString(text) && !strings.Contains(text, "[README](README.md)") {
			t.Errorf("%s does not say what its commands are", page)
		}
	}
	if tried["redis"] < 10 || tried["kubectl"] < 5 {
		t.Errorf("tried %v: the test tests nothing", tried)
	}
	if notes := readFile(t, person.notes); strings.Contains(notes, s.redis.passwords[inspector]) {
		t.Error("an argument has the password")
	}
}

// TestTheAdministratorNeedsItsPassword, which is that of the Secret.
func TestTheAdministratorNeedsItsPassword(t *testing.T) {
	t.Parallel()
	r := newChartRedis(t)
	r.passwords[inspector] = servers.NewPassword()
	if err := r.client(inspector).Ping(t.Context()).Err(); err == nil || !strings.Contains(err.Error(), "WRONGPASS") {
		t.Errorf("with another password: %v", err)
	}
}
