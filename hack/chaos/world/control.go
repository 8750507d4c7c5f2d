package world

import (
	"context"
	"fmt"
	"syscall"
)

// URL is how clients reach the service, through its link where there is one.
func (s *Service) URL() string {
	if s.front == nil {
		return "http://" + s.public
	}
	return "http://" + s.front.Address()
}

// Running tells whether the service is wanted.
func (s *Service) Running() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wanted
}

// Replica is its name as a consumer.
func (s *Service) Replica() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.replica
}

// PID of the process that runs, or ran last.
func (s *Service) PID() int { return s.running().PID() }

// Starts is how often it was started.
func (s *Service) Starts() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.starts
}

// Kill ends the process by SIGKILL; it is started again.
func (s *Service) Kill() error { return s.running().Kill() }

// Signal sends a signal.
func (s *Service) Signal(signal syscall.Signal) error { return s.running().Signal(signal) }

// Terminate ends the process by SIGTERM and waits for it to finish what it has in hand; it is started again.
func (s *Service) Terminate(ctx context.Context) error {
	if err := s.running().Stop(ctx, syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop %s: %w", s.Name, err)
	}
	return nil
}

// Stop ends the service by SIGTERM, or by SIGKILL when ctx ends, and keeps it stopped.
func (s *Service) Stop(ctx context.Context) error {
	s.mu.Lock()
	wanted, process, ended := s.wanted, s.process, s.ended
	s.wanted = false
	s.mu.Unlock()
	if !wanted {
		return nil
	}
	err := process.Stop(ctx, syscall.SIGTERM)
	<-ended
	return err //nolint:wrapcheck // says which process
}

// Rename kills the process and has it start again under another name as a consumer: what it had in hand is nobody's
// until somebody claims it.
func (s *Service) Rename(replica string) error {
	s.mu.Lock()
	s.replica = replica
	s.mu.Unlock()
	return s.Kill()
}
