package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/theeye-dev/theeye/hack/servers"
)

// Names of the services; the operator's accounts are called theeye- and then so.
const (
	serviceAuth        = "auth"
	servicePersistence = "persistence"
	serviceOperator    = "operator"
)

const (
	startTimeout = time.Minute
	stopTimeout  = 30 * time.Second
)

// world is all that the operator works with, and the operator.
type world struct {
	config   *config
	cluster  *cluster
	audit    *auditLog
	redis    *servers.Redis
	postgres *servers.Postgres
	services map[string]*service // auth and persistence
	operator *service

	operatorArgs []string
	watch        *watcher // of the Applications
}

// service is a running process of TheEye.
type service struct {
	*servers.Process
	public, ops string // host:port
	log         string
	began       time.Time
}

func startWorld(ctx context.Context, c *config) (*world, error) {
	w := &world{config: c, services: map[string]*service{}}
	starting, cancel := context.WithTimeout(ctx, 2*startTimeout)
	defer cancel()
	if err := w.start(starting); err != nil {
		return nil, errors.Join(err, w.stop(ctx))
	}
	return w, nil
}

func (w *world) start(ctx context.Context) (err error) {
	dir := w.config.dir
	if w.cluster, err = startCluster(ctx, filepath.Join(dir, "kubernetes")); err != nil {
		return err
	}
	if w.audit, err = openAuditLog(w.cluster.plane.AuditLog()); err != nil {
		return err
	}
	if w.redis, err = servers.StartRedis(ctx, servers.RedisOptions{Dir: filepath.Join(dir, "redis")}); err != nil {
		return fmt.Errorf("start Redis: %w", err)
	}
	if w.postgres, err = servers.StartPostgres(ctx, servers.PostgresOptions{Dir: filepath.Join(dir, "postgres")}); err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	for _, name := range []string{serviceAuth, servicePersistence} {
		if err := w.startService(ctx, name); err != nil {
			return err
		}
	}
	return w.prepareOperator(ctx)
}

// startService starts auth or persistence, which let the operator's service account in, and waits until it is ready.
func (w *world) startService(ctx context.Context, name string) error {
	kubeconfig, err := w.cluster.accountKubeconfig(ctx, "theeye-"+name)
	if err != nil {
		return err
	}
	public, err := servers.FreePort()
	if err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	args := []string{
		"--listen=" + servers.Address(public), "--redis-url=" + w.redis.URL(), "--postgres-url=" + w.postgres.URL(),
		"--operator-account=" + systemNamespace + "/theeye-operator", "--kubeconfig=" + kubeconfig,
	}
	switch name {
	case serviceAuth:
		key := filepath.Join(w.config.dir, "signing-key-encryption")
		if err := os.WriteFile(key, []byte(servers.NewPassword()+servers.NewPassword()), 0o600); err != nil {
			return fmt.Errorf("write key: %w", err)
		}
		args = append(args, "--issuer-url=https://auth.example.com", "--signing-key-encryption-file="+key)
	case servicePersistence:
		args = append(args, "--replica=bench")
	}
	s, err := w.run(name, args)
	if err != nil {
		return err
	}
	s.public = servers.Address(public)
	w.services[name] = s
	return servers.Await(ctx, s.Process, s.log, func(ctx context.Context) error {
		return get(ctx, "http://"+s.ops+"/readyz?full", drain)
	})
}

// run starts a service on a free operations port.
func (w *world) run(name string, args []string) (*service, error) {
	port, err := servers.FreePort()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	s := &service{ops: servers.Address(port), log: filepath.Join(w.config.dir, name+".log"), began: time.Now()}
	s.Process, err = servers.Start(servers.Command{
		Path: filepath.Join(w.config.binaries, name), LogFile: s.log,
		Args: append([]string{"--ops-listen=" + s.ops, "--log-level=warn"}, args...),
		Env:  []string{"PATH=" + os.Getenv("PATH"), "TZ=UTC"},
	})
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return s, nil
}

// prepareOperator gets what the operator's pod would have: its identity, and a token for each service.
func (w *world) prepareOperator(ctx context.Context) error {
	const account = "theeye-operator"
	kubeconfig, err := w.cluster.accountKubeconfig(ctx, account)
	if err != nil {
		return err
	}
	w.operatorArgs = []string{
		"--kubeconfig=" + kubeconfig, "--leader-election-namespace=" + systemNamespace,
		"--events-url=https://events.example.com/v1/events", "--token-url=https://auth.example.com/v1/token",
	}
	for name, s := range w.services {
		token, err := w.cluster.tokenFile(ctx, account, "theeye-"+name)
		if err != nil {
			return err
		}
		w.operatorArgs = append(w.operatorArgs, "--"+name+"-url=http://"+s.public, "--"+name+"-token-file="+token)
	}
	return nil
}

func (w *world) startOperator() (err error) {
	w.operator, err = w.run(serviceOperator, w.operatorArgs)
	return err
}

// stop ends everything; nothing of it is kept but files.
func (w *world) stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if w.watch != nil {
		w.watch.stop()
	}
	var errs []error
	for _, s := range []*service{w.operator, w.services[servicePersistence], w.services[serviceAuth]} {
		if s != nil {
			errs = append(errs, s.Stop(ctx, syscall.SIGTERM))
		}
	}
	if w.redis != nil {
		errs = append(errs, w.redis.Kill())
	}
	if w.postgres != nil {
		errs = append(errs, w.postgres.Stop(ctx))
	}
	if w.audit != nil {
		errs = append(errs, w.audit.close())
	}
	if w.cluster != nil {
		errs = append(errs, w.cluster.plane.Kill())
	}
	return errors.Join(errs...)
}

// wait asks until ask answers nil, as long as the operator runs.
func (w *world) wait(ctx context.Context, limit time.Duration, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return servers.Await(ctx, w.operator.Process, w.operator.log, ask)
}

func drain(body io.Reader) error {
	_, err := io.Copy(io.Discard, body)
	return err //nolint:wrapcheck // of a body
}
