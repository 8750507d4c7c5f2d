package servers_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/theeye-dev/theeye/hack/servers"
)

func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// passableDir is a directory that another user can reach; t.TempDir is not.
func passableDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "theeye-servers-")
	if err == nil {
		err = os.Chmod(dir, 0o711)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func TestRedisKeepsDataOverAKill(t *testing.T) {
	t.Parallel()
	ctx, dir := testContext(t), filepath.Join(t.TempDir(), "redis")
	redis, err := servers.StartRedis(ctx, servers.RedisOptions{Dir: dir, Password: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = redis.Kill() })
	if got := cli(t, redis, "SET", "key", "kept"); got != "OK" {
		t.Fatalf("SET: %s", got)
	}
	first := redis.PID()
	if found := servers.RedisPID(dir); found != first {
		t.Errorf("found Redis as process %d, want %d", found, first)
	}
	if err := redis.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := redis.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	if redis.PID() == first {
		t.Error("the pid is still that of the killed server")
	}
	if got := cli(t, redis, "GET", "key"); got != "kept" {
		t.Errorf("after a kill GET answers %q", got)
	}
	for setting, want := range map[string]string{
		"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction", "save": "",
	} {
		if got := strings.TrimSpace(strings.TrimPrefix(cli(t, redis, "CONFIG", "GET", setting), setting)); got != want {
			t.Errorf("%s is %q, want %q", setting, got, want)
		}
	}
}

func cli(t *testing.T, redis *servers.Redis, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(testContext(t), "redis-cli", append([]string{"-u", redis.URL(), "--no-auth-warning"}, args...)...)
	output, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("redis-cli %v: %v: %s", args, err, output)
	}
	return strings.TrimSpace(string(output))
}

func TestPostgresStartsAgainOverOrphans(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	dir := passableDir(t)
	postgres, err := servers.StartPostgres(ctx, servers.PostgresOptions{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = postgres.Stop(testContext(t)) })
	conn := connect(t, ctx, postgres)
	if _, err := conn.Exec(ctx, "CREATE TABLE kept AS SELECT 42 AS answer"); err != nil {
		t.Fatal(err)
	}
	if found := servers.PostgresPID(dir); found != postgres.PID() {
		t.Errorf("found PostgreSQL as process %d, want %d", found, postgres.PID())
	}
	// A stopped backend cannot notice that its postmaster died: it holds the shared memory.
	backend := int(conn.PgConn().PID())
	if err := syscall.Kill(backend, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if err := postgres.Kill(); err != nil {
		t.Fatal(err)
	}
	if found := servers.PostgresPID(dir); found != 0 {
		t.Errorf("found process %d as PostgreSQL, which is dead", found)
	}
	if !servers.Running(backend) {
		t.Fatal("the backend ended with its postmaster: this tests nothing")
	}
	if err := postgres.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	var answer int
	if err := connect(t, ctx, postgres).QueryRow(ctx, "SELECT answer FROM kept").Scan(&answer); err != nil || answer != 42 {
		t.Errorf("after a kill the table has %d, %v", answer, err)
	}
}

func connect(t *testing.T, ctx context.Context, postgres *servers.Postgres) *pgx.Conn { //nolint:revive // t first, as everywhere
	t.Helper()
	conn, err := pgx.Connect(ctx, postgres.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.PgConn().Conn().Close() })
	return conn
}

// TestServersEndWithTheirParent starts this test binary as a parent, kills it and looks for its child.
func TestServersEndWithTheirParent(t *testing.T) {
	t.Parallel()
	const variable = "THEEYE_TEST_PARENT_DIR"
	if dir := os.Getenv(variable); dir != "" {
		redis, err := servers.StartRedis(testContext(t), servers.RedisOptions{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "pid"), []byte(strconv.Itoa(redis.PID())), 0o600); err != nil {
			t.Fatal(err)
		}
		select {} // until killed
	}
	ctx, dir := testContext(t), t.TempDir()
	parent, err := servers.Start(servers.Command{
		Path: os.Args[0], Args: []string{"-test.run=^TestServersEndWithTheirParent$"},
		Env: []string{variable + "=" + dir, "PATH=" + os.Getenv("PATH")}, LogFile: filepath.Join(dir, "log"),
	})
	if err != nil {
		t.Fatal(err)
	}
	var child int
	err = servers.Await(ctx, parent, filepath.Join(dir, "log"), func(context.Context) error {
		content, err := os.ReadFile(filepath.Join(dir, "pid"))
		if err == nil {
			child, err = strconv.Atoi(string(content))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := servers.End(ctx, 0, child); err != nil { // signal 0 changes nothing: only waits
		t.Errorf("Redis outlived its killed parent: %v", err)
	}
}

func TestPostgresSaysWhoCannotReachItsDirectory(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Log("not root: PostgreSQL runs as the caller, who reaches everything of theirs")
		return
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := servers.StartPostgres(testContext(t), servers.PostgresOptions{Dir: filepath.Join(dir, "postgres")})
	if err == nil || !strings.Contains(err.Error(), "cannot reach") {
		t.Errorf("got %v", err)
	}
}
