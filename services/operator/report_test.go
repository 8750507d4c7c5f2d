package operator

import (
	"context"
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/api/v1alpha1"
	applyv1alpha1 "github.com/theeye-dev/theeye/api/v1alpha1/applyconfiguration/api/v1alpha1"
)

// statusWriter is an API server that only counts: each status that it takes makes the next version of the resource.
type statusWriter struct {
	client.SubResourceWriter
	version int
}

// Apply implements client.SubResourceWriter.
func (w *statusWriter) Apply(_ context.Context, applied runtime.ApplyConfiguration, _ ...client.SubResourceApplyOption) error {
	w.version++
	configuration, ok := applied.(*applyv1alpha1.ApplicationApplyConfiguration)
	if !ok {
		return fmt.Errorf("applied %T", applied)
	}
	configuration.WithResourceVersion(fmt.Sprint(w.version))
	return nil
}

// statusClient is a client of it.
type statusClient struct {
	client.Client
	writer *statusWriter
}

// Status implements client.Client.
func (c statusClient) Status() client.SubResourceWriter { return c.writer }

// reports is a resource as a cache may show it, and what is reported of it a second later than the time before.
type reports struct {
	*statusWriter
	reporter
	known recollection
	now   time.Time
}

func newReports() *reports {
	w := &statusWriter{version: 99} // one digit less than what it will write: versions are no texts
	return &reports{statusWriter: w, reporter: reporter{client: statusClient{writer: w}}, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
}

func (r *reports) report(t *testing.T, version string, status v1alpha1.ApplicationStatus) (written v1alpha1.ApplicationStatus) {
	t.Helper()
	app := &v1alpha1.Application{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "shop", ResourceVersion: version, Generation: 1}, Status: status}
	good := Verdict{metav1.ConditionTrue, "Good", ""}
	r.now = r.now.Add(time.Second)
	v := &View{Application: app, Now: r.now}
	if err := r.reporter.report(t.Context(), v, &Decision{Registered: good, Published: good, Schemas: good}, &r.known); err != nil {
		t.Fatal(err)
	}
	if r.known.reported == nil {
		return status
	}
	return *r.known.reported
}

// A status that the cache does not have yet is not written again; one that somebody has taken away since is.
func TestStatusIsWrittenOnce(t *testing.T) {
	t.Parallel()
	r := newReports()
	written := r.report(t, "99", v1alpha1.ApplicationStatus{})
	for _, c := range []struct {
		why, version string
		status       v1alpha1.ApplicationStatus
		writes       int
	}{
		{"the cache is behind", "99", v1alpha1.ApplicationStatus{}, 1},
		{"still behind", "99", v1alpha1.ApplicationStatus{}, 1},
		{"the cache has it", "100", written, 1},
		{"somebody took it away", "101", v1alpha1.ApplicationStatus{}, 2},
	} {
		r.report(t, c.version, c.status)
		if got := r.version - 99; got != c.writes {
			t.Errorf("%s: %d writes, want %d", c.why, got, c.writes)
		}
	}
}

// An Application that never sent anything gets no status for that; what it has of its usage is kept up to date.
func TestNoUsageIsNoNews(t *testing.T) {
	t.Parallel()
	r := newReports()
	written := r.report(t, "99", v1alpha1.ApplicationStatus{})
	r.known.usage = &registry.Usage{}
	if r.report(t, "100", written); r.version != 100 {
		t.Errorf("it was written %d times", r.version-99)
	}
	written.Usage = &v1alpha1.Usage{Accepted24h: 3}
	if r.report(t, "101", written); r.version != 101 || r.known.reported.Usage == nil || r.known.reported.Usage.Accepted24h != 0 {
		t.Errorf("written %d times: %+v", r.version-99, r.known.reported)
	}
}
