package services_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/theeye-dev/theeye/hack/servers"
)

// chartFiles are what the chart gives its Redis and its PostgreSQL.
const chartFiles = "../charts/theeye/files"

// inspector is who looks into a Redis whose services may look at nothing: the chart's administrator.
const inspector = "admin"

// chartRedis is a Redis as the chart runs it: the chart's own configuration and users, on another port and in another
// folder.
type chartRedis struct {
	*servers.Process
	t         testing.TB
	dir, port string
	passwords map[string]string
}

func newChartRedis(t testing.TB) *chartRedis {
	t.Helper()
	port, err := servers.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	r := &chartRedis{t: t, dir: t.TempDir(), port: strconv.Itoa(port), passwords: map[string]string{}}
	for _, user := range []string{"auth", "ingest", "persistence", inspector} {
		r.passwords[user] = servers.NewPassword()
	}
	rules := readFile(t, filepath.Join(chartFiles, "redis/users.acl"))
	writeFiles(t, r.path("rules"), map[string]string{"users.acl": rules})
	writeFiles(t, r.path("passwords"), r.passwords)
	if err := try(t, r.users(r.path("users.acl"))); err != nil {
		t.Fatal(err)
	}
	r.start()
	t.Cleanup(func() { _ = r.Kill() })
	return r
}

func (r *chartRedis) path(name string) string { return filepath.Join(r.dir, name) }

// users is the init container, which writes the users file.
func (r *chartRedis) users(target string) servers.Command {
	return servers.Command{
		Path: "/bin/sh", Args: []string{filepath.Join(chartFiles, "redis/users.sh"), r.path("rules/users.acl"), r.path("passwords"), target},
		Env: []string{"PATH=" + os.Getenv("PATH")}, LogFile: r.path("users.log"),
	}
}

// start starts Redis, with more arguments for a test's own purpose.
func (r *chartRedis) start(more ...string) {
	r.t.Helper()
	binary, err := servers.FindRedis()
	if err != nil {
		r.t.Fatal(err)
	}
	config, err := filepath.Abs(filepath.Join(chartFiles, "redis/redis.conf"))
	if err != nil {
		r.t.Fatal(err)
	}
	if r.Process, err = servers.Start(servers.Command{
		Path: binary, LogFile: r.path("redis.log"), Dir: r.dir, Args: append([]string{
			config, "--bind", "127.0.0.1", "--port", r.port, "--dir", r.dir, "--aclfile", r.path("users.acl"),
		}, more...),
	}); err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	if err := servers.Await(ctx, r.Process, r.path("redis.log"), r.ping); err != nil {
		r.t.Fatal(err)
	}
}

// ping is the chart's probe: any password will do.
func (r *chartRedis) ping(ctx context.Context) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", "127.0.0.1:"+r.port)
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // only read
	if _, err := conn.Write([]byte("AUTH probe none\r\nPING\r\nQUIT\r\n")); err != nil {
		return err
	}
	answer, err := io.ReadAll(conn)
	if err == nil && string(answer) != "+OK\r\n+PONG\r\n+OK\r\n" {
		err = fmt.Errorf("PING is answered %q", answer)
	}
	return err
}

// restart kills Redis and starts it again.
func (r *chartRedis) restart() {
	r.t.Helper()
	if err := r.Kill(); err != nil {
		r.t.Fatal(err)
	}
	r.start()
}

func (r *chartRedis) url(user string) string {
	return fmt.Sprintf("redis://%s:%s@127.0.0.1:%s", user, r.passwords[user], r.port)
}

// client connects as a user, and sends nothing that was not asked for.
func (r *chartRedis) client(user string) *redis.Client {
	r.t.Helper()
	password := r.passwords[user]
	if user == "probe" {
		password = "none"
	}
	client := redis.NewClient(&redis.Options{
		Addr: "127.0.0.1:" + r.port, Username: user, Password: password, MaxRetries: -1, DisableIdentity: true,
	})
	r.t.Cleanup(func() { _ = client.Close() })
	return client
}

// refusals are what Redis has refused anybody since it started.
func (r *chartRedis) refusals() (refused []string) {
	r.t.Helper()
	entries, err := r.client(inspector).Do(r.t.Context(), "ACL", "LOG").Slice()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, entry := range entries {
		of, _ := entry.(map[any]any)
		refused = append(refused, fmt.Sprintf("%v: %v %v, %v times", of["username"], of["reason"], of["object"], of["count"]))
	}
	return refused
}

// aclRules are the chart's rules of each user, as users.acl has them.
func aclRules(t testing.TB) map[string]string {
	t.Helper()
	rules := map[string]string{}
	for line := range strings.Lines(readFile(t, filepath.Join(chartFiles, "redis/users.acl"))) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), "user "); ok {
			name, rule, _ := strings.Cut(rest, " ")
			rules[name] = rule
		}
	}
	if got := slices.Sorted(maps.Keys(rules)); !slices.Equal(got, []string{"admin", "auth", "default", "ingest", "persistence", "probe"}) {
		t.Fatalf("users %v", got)
	}
	return rules
}

// try runs a command to its end.
func try(t testing.TB, command servers.Command) error {
	t.Helper()
	process, err := servers.Start(command)
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Err(); err != nil {
		return fmt.Errorf("%v: %w; its log ends with:\n%s", command.Args, err, servers.Tail(command.LogFile))
	}
	return nil
}

func stat(t testing.TB, path string) os.FileInfo {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func readFile(t testing.TB, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func writeFiles(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
