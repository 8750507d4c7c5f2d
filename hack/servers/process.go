package servers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

// Command is a program to start in the foreground.
type Command struct {
	Path    string
	Args    []string
	Env     []string // all of it: nothing is inherited
	Dir     string
	LogFile string // standard output and error are appended here; empty: discarded
	Account *Account
	// Detach lets the process outlive its parent, in a session of its own and without any of the parent's
	// descriptors. Otherwise the kernel sends it Orphaned when the parent ends, however it ends.
	Detach   bool
	Orphaned syscall.Signal // default SIGKILL
}

// Process is a started Command.
type Process struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error // of Wait; read after done is closed
}

// Start starts a command.
func Start(c Command) (*Process, error) {
	cmd := exec.Command(c.Path, c.Args...) //nolint:gosec // starting programs is what this is for; signals end them
	cmd.Env, cmd.Dir = c.Env, c.Dir
	if cmd.Env == nil {
		cmd.Env = []string{} // nil would inherit
	}
	cmd.SysProcAttr = c.attributes()
	if c.LogFile != "" {
		log, err := os.OpenFile(c.LogFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return nil, fmt.Errorf("open log of %s: %w", filepath.Base(c.Path), err)
		}
		defer log.Close() //nolint:errcheck // the child has its own
		cmd.Stdout, cmd.Stderr = log, log
	}
	if c.Detach {
		if err := sealDescriptors(); err != nil {
			return nil, err
		}
	}
	p := &Process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go p.run(started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", filepath.Base(c.Path), err)
	}
	return p, nil
}

// run starts the child and waits for it on one OS thread of its own: the kernel's parent-death signal is tied to the
// thread that forked, not to the process, and Go ends idle threads whenever it likes.
func (p *Process) run(started chan<- error) {
	runtime.LockOSThread() // never unlocked: the thread ends with the goroutine, and that with the child
	err := p.cmd.Start()
	started <- err
	if err != nil {
		return
	}
	p.err = p.cmd.Wait()
	close(p.done)
}

func (c Command) attributes() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setsid: true} // not in the terminal's group: Ctrl-C is for the parent to handle
	if !c.Detach {
		attr.Pdeathsig = c.Orphaned
		if attr.Pdeathsig == 0 {
			attr.Pdeathsig = syscall.SIGKILL
		}
	}
	if c.Account != nil {
		attr.Credential = c.Account.credential()
	}
	return attr
}

// sealDescriptors keeps what this process inherited beyond standard error (make's job server, a shell's 3>&1) from its
// own children; Go seals only what it opened itself.
func sealDescriptors() error {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return fmt.Errorf("list descriptors: %w", err)
	}
	for _, entry := range entries {
		if fd, err := strconv.Atoi(entry.Name()); err == nil && fd > 2 {
			syscall.CloseOnExec(fd)
		}
	}
	return nil
}

// PID is the process' id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err says how the process ended: nil after exit code 0. It waits for the end.
func (p *Process) Err() error {
	<-p.done
	return p.err
}

// Signal sends a signal; a process that has ended already is no error.
func (p *Process) Signal(signal syscall.Signal) error {
	if err := p.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal process %d: %w", p.PID(), err)
	}
	return nil
}

// Kill ends the process at once and waits until it is gone.
func (p *Process) Kill() error {
	if err := p.Signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-p.done
	return nil
}

// Stop sends the signal and waits; a process that is still there when ctx ends is killed, and that is an error.
func (p *Process) Stop(ctx context.Context, signal syscall.Signal) error {
	if err := p.Signal(signal); err != nil {
		return err
	}
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("process %d did not stop: %w", p.PID(), ctx.Err()), p.Kill())
	}
}

// tailBytes is as much of a log as an error message bears.
const tailBytes = 4 << 10

// Tail returns the end of a log file, for error messages.
func Tail(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close() //nolint:errcheck // only read
	if info, err := f.Stat(); err == nil && info.Size() > tailBytes {
		_, _ = f.Seek(-tailBytes, io.SeekEnd)
	}
	text, _ := io.ReadAll(f)
	return strings.TrimSpace(string(text))
}
