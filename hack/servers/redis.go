package servers

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// killTimeout is how long the kernel may take to end a killed process that is busy writing to a disk.
const killTimeout = 10 * time.Second

// portAttempts is how often a start is tried again when another process took the port that was chosen as free.
const portAttempts = 3

// RedisOptions say how to run a Redis.
type RedisOptions struct {
	Dir      string // for data and configuration; made when missing
	Port     int    // 0: a free one
	LogFile  string // default Dir/redis.log
	Password string // empty: none
	Detach   bool   // outlive this process
	Env      []string
	// Settings are added to, or replace, those that make it durable.
	Settings map[string]string
}

// Redis is a running instance that has appendonly yes, appendfsync always and maxmemory-policy noeviction.
type Redis struct {
	*Process
	options RedisOptions
	binary  string
}

// NewPassword returns a password of 128 random bits that needs no quoting in a URL, a shell or a configuration file.
func NewPassword() string { return rand.Text() }

// StartRedis starts Redis and returns when it answers and has loaded its data, or when ctx ends.
func StartRedis(ctx context.Context, options RedisOptions) (*Redis, error) {
	binary, err := FindRedis()
	if err != nil {
		return nil, err
	}
	if options.Dir, err = filepath.Abs(options.Dir); err != nil {
		return nil, fmt.Errorf("find directory: %w", err)
	}
	if options.LogFile == "" {
		options.LogFile = filepath.Join(options.Dir, "redis.log")
	}
	if err := os.MkdirAll(options.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make directory: %w", err)
	}
	attempts := 1
	if options.Port == 0 {
		attempts = portAttempts
	}
	for wanted := options.Port; ; attempts-- {
		if options.Port, err = choosePort(wanted); err != nil {
			return nil, err
		}
		r := &Redis{options: options, binary: binary}
		if err = r.start(ctx); err == nil {
			return r, nil
		}
		if attempts == 1 || ctx.Err() != nil {
			return nil, err
		}
	}
}

// RedisURL is the URL of a Redis on a port of 127.0.0.1.
func RedisURL(port int, password string) string {
	u := url.URL{Scheme: "redis", Host: Address(port), Path: "/0"}
	if password != "" {
		u.User = url.UserPassword("default", password) // redis-cli takes no empty user
	}
	return u.String()
}

// URL is how clients reach it, with the password.
func (r *Redis) URL() string { return RedisURL(r.options.Port, r.options.Password) }

// Address is host:port.
func (r *Redis) Address() string { return Address(r.options.Port) }

// Port is the port, the same after every Restart.
func (r *Redis) Port() int { return r.options.Port }

// Stop shuts Redis down in order: everything is on disk when it returns.
func (r *Redis) Stop(ctx context.Context) error { return r.Process.Stop(ctx, syscall.SIGTERM) }

// Restart starts Redis again on the same port and data, after ending it when it still runs.
func (r *Redis) Restart(ctx context.Context) error {
	if err := r.Stop(ctx); err != nil {
		return err
	}
	return r.start(ctx)
}

func (r *Redis) start(ctx context.Context) error {
	// A killed Redis can leave the child that was rewriting its log.
	if err := End(ctx, syscall.SIGKILL, insideRedis(r.options.Dir)...); err != nil {
		return fmt.Errorf("end what an earlier Redis left: %w", err)
	}
	config := filepath.Join(r.options.Dir, "redis.conf")
	if err := os.WriteFile(config, []byte(r.configuration()), 0o600); err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	process, err := Start(Command{
		Path: r.binary, Args: []string{config}, Env: append([]string{"LC_ALL=C", "TZ=UTC"}, r.options.Env...), Dir: r.options.Dir,
		LogFile: r.options.LogFile, Detach: r.options.Detach,
	})
	if err != nil {
		return err
	}
	r.Process = process
	err = Await(ctx, process, r.options.LogFile, func(ctx context.Context) error {
		return AskRedis(ctx, r.options.Port, r.options.Password, process.PID())
	})
	if err != nil {
		_ = process.Kill()
		return fmt.Errorf("start Redis on %s: %w", r.Address(), err)
	}
	return nil
}

func (r *Redis) configuration() string {
	lines := []string{
		"bind 127.0.0.1",
		"port " + strconv.Itoa(r.options.Port),
		"dir " + strconv.Quote(r.options.Dir),
		"appendonly yes",
		"appendfsync always",
		"maxmemory-policy noeviction",
		`save ""`,
	}
	for _, name := range slices.Sorted(maps.Keys(r.options.Settings)) { // of a setting the last line counts
		lines = append(lines, name+" "+strconv.Quote(r.options.Settings[name]))
	}
	if r.options.Password != "" {
		lines = append(lines, "requirepass "+strconv.Quote(r.options.Password))
	}
	return strings.Join(lines, "\n") + "\n"
}

// AskRedis answers nil when the Redis on a port is the process pid and has loaded its data.
func AskRedis(ctx context.Context, port int, password string, pid int) error {
	info, err := redisInfo(ctx, port, password)
	if err != nil {
		return err
	}
	switch {
	case info["process_id"] != strconv.Itoa(pid):
		return fmt.Errorf("port %d is served by process %s", port, info["process_id"])
	case info["loading"] != "0":
		return fmt.Errorf("%w: Redis loads its data, %s seconds to go", ErrStarting, info["loading_eta_seconds"])
	default:
		return nil
	}
}

// redisInfo asks INFO, which Redis answers while loading, too. It speaks the protocol by itself: one command does not
// need a client library.
func redisInfo(ctx context.Context, port int, password string) (map[string]string, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", Address(port))
	if err != nil {
		return nil, fmt.Errorf("reach Redis: %w", err)
	}
	defer conn.Close() //nolint:errcheck // only read
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	request := "INFO\r\nQUIT\r\n"
	if password != "" {
		request = "AUTH " + password + "\r\n" + request
	}
	if _, err := conn.Write([]byte(request)); err != nil {
		return nil, fmt.Errorf("ask Redis: %w", err)
	}
	info := map[string]string{}
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		if refusal, found := strings.CutPrefix(lines.Text(), "-"); found {
			return nil, fmt.Errorf("ask Redis: %s", refusal)
		}
		if key, value, found := strings.Cut(lines.Text(), ":"); found {
			info[key] = value
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("ask Redis: %w", err)
	}
	return info, nil
}
