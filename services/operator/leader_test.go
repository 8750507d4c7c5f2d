package operator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	coordinationv1 "k8s.io/api/coordination/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/theeye-dev/theeye/api/v1alpha1"
)

// Of two operators one acts, and the other is ready to: it has read everything. When the first stops, the second does
// what waits long before the lease would have run out.
func TestSecondOperatorTakesOver(t *testing.T) {
	t.Parallel()
	var first *saboteur
	w := newWorld(t, func(o *Options) {
		o.LeaderElectionNamespace, o.LeaderElectionID = o.Namespaces[0], "theeye-operator"
		first = sabotage(o)
	})
	app, _ := w.ready(w.apply("early"))
	stopFirst := w.stop
	holder := w.leader()

	w.options.Auth, w.options.Persistence = first.auth, first.archive
	second := sabotage(&w.options)
	w.start()
	w.eventually(func() error { // metrics of Applications are read from the second one's cache
		families, err := w.metrics.Gather()
		for _, family := range families {
			if family.GetName() == "theeye_application_condition" {
				return nil
			}
		}
		return errors.Join(err, errors.New("the follower has not read the Applications"))
	})
	w.poke(app)
	late, _ := w.ready(w.apply("late"))
	if history, _ := second.report(); len(history) > 0 || w.leader() != holder {
		t.Fatalf("the second one did %v, the leader is %s", history, w.leader())
	}

	stopFirst()
	stopped := time.Now()
	first.order(failing("", errInjected))
	waiting := w.apply("waiting")
	w.ready(waiting)
	if took := time.Since(stopped); took >= 15*time.Second { // which is how long a lease lasts that is not given up
		t.Errorf("the second one took over after %s", took)
	}
	if w.leader() == holder {
		t.Error("the leader is the one that stopped")
	}
	for _, a := range []*v1alpha1.Application{app, late, waiting} {
		w.eventually(func() error { return w.settled(a) })
	}
}

// leader is who holds the lease.
func (w *world) leader() string {
	w.t.Helper()
	lease := &coordinationv1.Lease{}
	key := client.ObjectKey{Namespace: w.options.LeaderElectionNamespace, Name: w.options.LeaderElectionID}
	if err := w.client.Get(w.t.Context(), key, lease); err != nil {
		w.t.Fatal(err)
	}
	if lease.Spec.HolderIdentity == nil {
		return ""
	}
	return *lease.Spec.HolderIdentity
}

// Two installations in one namespace lead both: each has its own lease there.
func TestNeighboursBothLead(t *testing.T) {
	t.Parallel()
	var namespace string
	electing := func(id string) func(*Options) {
		return func(o *Options) {
			if namespace == "" {
				namespace = o.Namespaces[0]
			}
			o.LeaderElectionNamespace, o.LeaderElectionID = namespace, id
		}
	}
	blue := newWorld(t, electing("blue-theeye-operator"))
	blue.ready(blue.apply("web-shop"))
	green := newWorld(t, electing("green-theeye-operator"))
	green.ready(green.apply("web-shop"))
	if one, other := blue.leader(), green.leader(); one == "" || other == "" || one == other {
		t.Errorf("leaders are %q and %q", one, other)
	}
}

// listener closes heard when a text is logged, and passes everything on.
type listener struct {
	io.Writer
	text  string
	heard chan struct{}
	once  sync.Once
}

func (l *listener) Write(line []byte) (int, error) {
	if bytes.Contains(line, []byte(l.text)) {
		l.once.Do(func() { close(l.heard) })
	}
	return l.Writer.Write(line)
}

// Told to stop, an operator finishes the reconciliation that it is at.
func TestStopFinishesWhatIsInHand(t *testing.T) {
	t.Parallel()
	var s *saboteur
	stopping := &listener{Writer: t.Output(), text: "waiting for all workers to finish", heard: make(chan struct{})}
	w := newWorld(t, func(o *Options) {
		o.Log = slog.New(slog.NewTextHandler(stopping, nil))
		s = sabotage(o)
	})
	reached, proceed := make(chan struct{}), make(chan struct{})
	s.order(func(request string) fault {
		if request == "put application" {
			close(reached)
			<-proceed
		}
		return fault{}
	})
	app := w.apply("in-hand")
	<-reached
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		w.stop()
	}()
	<-stopping.heard
	close(proceed)
	<-stopped
	if err := w.settled(app); err != nil {
		t.Error(err)
	}
}

// A stopped operator leaves no goroutine of its own behind, nor of what it started.
func TestStopEndsGoroutines(t *testing.T) {
	t.Parallel()
	var w *world
	label := uuid.NewString()
	pprof.Do(t.Context(), pprof.Labels("operator", label), func(context.Context) { w = newWorld(t) }) // inherited by all that it starts
	w.ready(w.apply("web-shop"))
	if len(goroutines(label)) == 0 {
		t.Fatal("no goroutine is known by its label")
	}
	w.stop()
	w.eventually(func() error {
		if left := goroutines(label); len(left) > 0 {
			return fmt.Errorf("%d kinds of goroutines are left:\n%s", len(left), strings.Join(left, "\n"))
		}
		return nil
	})
}

// goroutines are the stacks of those with a label that run code of the operator or of controller-runtime. Connections
// that a transport of client-go keeps for its next user are none.
func goroutines(label string) (stacks []string) {
	var profile bytes.Buffer
	_ = pprof.Lookup("goroutine").WriteTo(&profile, 1) // never fails
	for stack := range strings.SplitSeq(profile.String(), "\n\n") {
		ours := strings.Contains(stack, "services/operator.") || strings.Contains(stack, "controller-runtime") ||
			strings.Contains(stack, "client-go")
		if ours && strings.Contains(stack, label) {
			stacks = append(stacks, stack)
		}
	}
	return stacks
}
