package world

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/theeye-dev/theeye/hack/servers"
)

// Kind of a service.
type Kind string

// The kinds; they are the names of the binaries.
const (
	Auth        Kind = "auth"
	Ingest      Kind = "ingest"
	Persistence Kind = "persistence"
)

// Service is a process that is started again when it ends. It keeps its ports, arguments and log.
type Service struct {
	Name  string
	Kind  Kind
	Links []*Link // to what it needs, and to it

	world                  *World
	redis, postgres, front *Link  // front leads clients to it; nil: there is none
	public, ops            string // host:port
	log                    string
	points                 string // directory of its failpoints
	args, env              []string

	mu      sync.Mutex
	replica string // of a persistence: its name as a consumer
	process *servers.Process
	wanted  bool // false: it is stopped on purpose
	starts  int
	life    int64         // size of the log when the process was started
	ended   chan struct{} // closed when nobody watches any more
}

// restartAfter is how long an ended service stays away: about what a cluster takes at its fastest.
const restartAfter = 200 * time.Millisecond

// Start starts the service and watches over it. It does not wait until it is ready.
func (s *Service) Start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wanted {
		return nil
	}
	if err := s.launch(); err != nil {
		return err
	}
	s.wanted, s.ended = true, make(chan struct{})
	go s.watch(s.ended)
	return nil
}

// launch needs the lock.
func (s *Service) launch() error {
	args := slices.Clone(s.args)
	if s.Kind == Persistence {
		args = append(args, "--replica="+s.replica)
	}
	if info, err := os.Stat(s.log); err == nil {
		s.life = info.Size()
	}
	process, err := servers.Start(servers.Command{
		Path: filepath.Join(s.world.options.Binaries, string(s.Kind)), Args: args, Env: s.env, LogFile: s.log,
	})
	if err != nil {
		return fmt.Errorf("start %s: %w", s.Name, err)
	}
	s.process = process
	s.starts++
	return nil
}

// watch starts the service again until it is not wanted any more.
func (s *Service) watch(ended chan struct{}) {
	defer close(ended)
	for {
		s.mu.Lock()
		process := s.process
		life := s.life
		s.mu.Unlock()
		err := process.Err()
		s.judge(err, life)
		timer := time.NewTimer(restartAfter)
		<-timer.C
		s.mu.Lock()
		if !s.wanted {
			s.mu.Unlock()
			return
		}
		err = s.launch()
		s.mu.Unlock()
		if err != nil {
			s.world.note("%s cannot be started again: %v", s.Name, err)
			return
		}
	}
}

// up is what a process logs once it works: until then SIGTERM ends it at once, with nothing in hand.
const up = "application log read"

// judge notes an end that nobody caused: a service is killed by SIGKILL, stopped by SIGTERM, and never ends by itself.
func (s *Service) judge(err error, life int64) {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		status, ok := exit.Sys().(syscall.WaitStatus)
		if ok && status.Signaled() && (status.Signal() == syscall.SIGKILL || status.Signal() == syscall.SIGTERM && !s.logs(life, up)) {
			return
		}
	}
	if err != nil {
		s.world.note("%s ended by itself: %v; its log ends with:\n%s", s.Name, err, servers.Tail(s.log))
	}
}

// logs tells whether a text is in what a process logged whose life began at a size of the log.
func (s *Service) logs(life int64, text string) bool {
	content, err := os.ReadFile(s.log)
	return err == nil && int64(len(content)) > life && bytes.Contains(content[life:], []byte(text))
}

func (s *Service) running() *servers.Process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.process
}
