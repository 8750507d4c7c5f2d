package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/apikey"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/hack/servers"
)

// Names of TheEye's services; the report uses them as roles.
const (
	serviceAuth        = "auth"
	serviceIngest      = "ingest"
	servicePersistence = "persistence"
)

const (
	startTimeout = 60 * time.Second
	stopTimeout  = 30 * time.Second
)

// eye is TheEye as a user runs it: three processes.
type eye struct {
	binaries, logs        string
	redisURL, postgresURL string
	adminToken            string
	encryptionKey         string // of what auth signs access tokens with
	running               map[string]*service

	application uuid.UUID
	key         string // the API key of its only credential
}

type service struct {
	*servers.Process
	public, ops string // host:port
	log         string
}

// startEye starts auth and ingest and registers an application. Persistence is started when a target wants it.
func startEye(ctx context.Context, binaries, logs, redisURL, postgresURL string) (*eye, error) {
	e := &eye{
		binaries: binaries, logs: logs, redisURL: redisURL, postgresURL: postgresURL,
		adminToken: servers.NewPassword(), encryptionKey: servers.NewPassword() + servers.NewPassword(),
		running: map[string]*service{}, application: uuid.New(),
	}
	// Persistence makes its tables at its first start; the targets find them made.
	for _, name := range []string{serviceAuth, serviceIngest, servicePersistence} {
		if err := e.start(ctx, name); err != nil {
			return nil, errors.Join(err, e.stopAll(ctx))
		}
	}
	if err := e.register(ctx); err != nil {
		return nil, errors.Join(err, e.stopAll(ctx))
	}
	return e, nil
}

// start starts a service and waits until it and all it needs are ready; one that runs already stays.
func (e *eye) start(ctx context.Context, name string) error {
	if e.running[name] != nil {
		return nil
	}
	public, err1 := servers.FreePort()
	opsPort, err2 := servers.FreePort()
	if err := errors.Join(err1, err2); err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	s := &service{
		public: servers.Address(public), ops: servers.Address(opsPort), log: filepath.Join(e.logs, name+".log"),
	}
	var err error
	s.Process, err = servers.Start(servers.Command{
		Path: filepath.Join(e.binaries, name), Args: e.arguments(name, s), LogFile: s.log,
		Env: []string{"THEEYE_ADMIN_TOKEN=" + e.adminToken, "THEEYE_SIGNING_KEY_ENCRYPTION=" + e.encryptionKey, "PATH=" + os.Getenv("PATH"), "TZ=UTC"},
	})
	if err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	e.running[name] = s
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	return servers.Await(ctx, s.Process, s.log, func(ctx context.Context) error {
		_, err := call(ctx, http.MethodGet, "http://"+s.ops+"/readyz?full", "", nil, http.StatusOK)
		return err
	})
}

func (e *eye) arguments(name string, s *service) []string {
	args := []string{"--listen=" + s.public, "--ops-listen=" + s.ops, "--redis-url=" + e.redisURL, "--log-level=warn"}
	switch name {
	case serviceAuth:
		args = append(args, "--postgres-url="+e.postgresURL, "--issuer-url=http://"+s.public)
	case servicePersistence:
		args = append(args, "--postgres-url="+e.postgresURL, "--replica=bench")
	}
	return args
}

// stop ends a service in order; one that does not run is stopped.
func (e *eye) stop(ctx context.Context, name string) error {
	s := e.running[name]
	if s == nil {
		return nil
	}
	delete(e.running, name)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if err := s.Stop(ctx, syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop %s: %w; its log ends with:\n%s", name, err, servers.Tail(s.log))
	}
	return nil
}

func (e *eye) stopAll(ctx context.Context) error {
	return errors.Join(e.stop(ctx, serviceIngest), e.stop(ctx, servicePersistence), e.stop(ctx, serviceAuth))
}

// roles are the processes that run now, and the servers below them.
func (e *eye) roles(below meter) meter {
	var m meter
	for _, name := range []string{serviceIngest, servicePersistence, serviceAuth} {
		if s := e.running[name]; s != nil {
			m = append(m, role{name: name, pid: s.PID()})
		}
	}
	return append(m, below...)
}

// authorization is what a client of the application sends.
func (e *eye) authorization() string { return "Bearer " + e.key }

// admin is the application's URL at auth.
func (e *eye) admin() string {
	return "http://" + e.running[serviceAuth].public + "/v1/applications/" + url.PathEscape(e.application.String())
}

// desire tells auth how the application is to be.
func (e *eye) desire(ctx context.Context, want registry.DesiredApplication) error {
	if _, err := call(ctx, http.MethodPut, e.admin(), "Bearer "+e.adminToken, want); err != nil {
		return fmt.Errorf("register application: %w", err)
	}
	return nil
}

// register makes the application and a credential known at auth, and waits until ingest takes the credential.
func (e *eye) register(ctx context.Context) error {
	const credential = "1"
	e.key = apikey.New("bench", apikey.ClientID(e.application), credential)
	if err := e.desire(ctx, desiredApplication()); err != nil {
		return err
	}
	_, err := call(ctx, http.MethodPut, e.admin()+"/credentials/"+credential, "Bearer "+e.adminToken, desiredCredential(e.key))
	if err != nil {
		return fmt.Errorf("register credential: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	// An array without events is refused with 400, but only to those who may post.
	return servers.Await(ctx, nil, e.running[serviceIngest].log, func(ctx context.Context) error {
		_, err := call(ctx, http.MethodPost, "http://"+e.running[serviceIngest].public+"/v1/events", e.authorization(),
			strings.NewReader("[]"), http.StatusBadRequest)
		return err
	})
}
