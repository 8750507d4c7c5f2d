package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/theeye-dev/theeye/hack/bench/proc"
)

// phase is what was counted between two moments.
type phase struct {
	Seconds     float64           `json:"seconds"`
	Leading     float64           `json:"leading_after_seconds,omitempty"` // from its start until the operator was the leader
	CPU         float64           `json:"cpu_seconds"`                     // of the operator
	PeakMiB     float64           `json:"peak_mib"`                        // of the operator, since its start
	API         *asked            `json:"api_server"`                      // by the operator
	Reviews     map[string]*asked `json:"api_server_by_services"`          // by auth and persistence: token reviews
	Auth        requests          `json:"auth"`
	Persistence requests          `json:"persistence"`
}

// mark is where a phase begins.
type mark struct {
	at                time.Time
	cpu               time.Duration
	auth, persistence requests
}

// begin starts a phase, and the operator with it where that is asked for. What was asked before counts for nothing.
func (w *world) begin(ctx context.Context, start bool) (m *mark, err error) {
	m = &mark{}
	if m.auth, err = w.services[serviceAuth].served(ctx); err != nil {
		return nil, err
	}
	if m.persistence, err = w.services[servicePersistence].served(ctx); err != nil {
		return nil, err
	}
	if _, err := w.audit.take(); err != nil {
		return nil, err
	}
	if start {
		if err := w.startOperator(); err != nil {
			return nil, err
		}
		m.at = w.operator.began
		return m, nil
	}
	m.at = time.Now()
	m.cpu, err = proc.CPU(w.operator.PID())
	return m, err
}

func (w *world) end(ctx context.Context, m *mark) (p *phase, err error) {
	p = &phase{Seconds: time.Since(m.at).Seconds()}
	by, err := w.audit.take()
	if err != nil {
		return nil, err
	}
	if p.API = by[username("theeye-operator")]; p.API == nil {
		p.API = newAsked()
	}
	p.Reviews = map[string]*asked{}
	for name := range w.services {
		if a := by[username("theeye-"+name)]; a != nil {
			p.Reviews[name] = a
		}
	}
	cpu, err1 := proc.CPU(w.operator.PID())
	peak, err2 := proc.Memory(w.operator.PID(), "VmHWM")
	auth, err3 := w.services[serviceAuth].served(ctx)
	persistence, err4 := w.services[servicePersistence].served(ctx)
	p.CPU, p.PeakMiB = (cpu - m.cpu).Seconds(), float64(peak)/(1<<20)
	p.Auth, p.Persistence = auth.since(m.auth), persistence.since(m.persistence)
	return p, errors.Join(err1, err2, err3, err4)
}

// leading is how long after its start the operator became the leader.
func (w *world) leading(ctx context.Context) (float64, error) {
	var lease coordinationv1.Lease
	if err := w.cluster.client.Get(ctx, client.ObjectKey{Namespace: systemNamespace, Name: "theeye-operator"}, &lease); err != nil {
		return 0, fmt.Errorf("read lease: %w", err)
	}
	if lease.Spec.AcquireTime == nil {
		return 0, errors.New("nobody has the lease")
	}
	return lease.Spec.AcquireTime.Sub(w.operator.began).Seconds(), nil
}
