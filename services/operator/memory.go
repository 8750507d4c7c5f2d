package operator

import (
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/api/v1alpha1"
)

// memory is what the operator remembers of Applications so as not to ask again. Losing it costs requests and no more:
// everything in it can be read again.
type memory struct {
	mu      sync.Mutex
	entries map[types.UID]recollection
}

// recollection is what is remembered of one Application.
type recollection struct {
	settled  string   // fingerprint of a View that nothing was left to do about
	decision Decision // made then, and good until decision.Next
	revision int64    // of auth's record then
	erasure  bool     // auth's record says that the events are to be erased with the Application

	compiled int64 // generation whose schemas were compiled
	faults   map[int]SchemaFault

	revokedAt time.Time
	usage     *registry.Usage
	usageAt   time.Time // when it was asked for last
	usageDue  time.Time
	warned    string // credential whose use during its overlap an event told of
	issues    *rate.Limiter

	// reported is the status that was written last and reportedAs the resource's version with it, until the cache has that.
	reported   *v1alpha1.ApplicationStatus
	reportedAs string
}

func newMemory() *memory { return &memory{entries: map[types.UID]recollection{}} }

func (m *memory) of(uid types.UID) recollection {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.entries[uid]
}

func (m *memory) keep(uid types.UID, r recollection) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.entries[uid] = r
}

func (m *memory) drop(uid types.UID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.entries, uid)
}

// retain forgets Applications that are not there any more.
func (m *memory) retain(there func(types.UID) bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.entries, func(uid types.UID, _ recollection) bool { return !there(uid) })
}

// doubt makes the next reconciliation ask auth again, when what is known is not of a revision.
func (m *memory) doubt(uid types.UID, revision int64) (doubted bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.entries[uid]
	if r.settled == "" || r.revision == revision {
		return r.settled == ""
	}
	r.settled = ""
	m.entries[uid] = r
	return true
}

// fingerprint is all of the cluster's part of a View that a decision depends on.
func fingerprint(v *View) string {
	app := v.Application
	var b strings.Builder
	fmt.Fprintf(&b, "%d %q %v %t", app.Generation, app.Annotations[v1alpha1.RotateAnnotation], app.Finalizers, app.DeletionTimestamp.IsZero())
	for _, s := range append([]*corev1.Secret{v.Issued, v.Candidate, v.Existing}, v.Strays...) {
		if s == nil {
			b.WriteString(" -")
			continue
		}
		fmt.Fprintf(&b, " %s/%s", s.UID, s.ResourceVersion)
	}
	return b.String()
}

// note remembers what is of use of auth's record.
func (k *recollection) note(record *registry.Application) {
	if record != nil {
		k.revision, k.erasure = record.Revision, record.DeletionPolicy == registry.Erase
	}
}

// An Application whose Secret is lost again and again, say by two programs that fight over it, gets issueBurst new
// credentials at once and then one every issueEvery: each of them costs auth a transaction and the log a record.
const (
	issueEvery = 10 * time.Second
	issueBurst = 10
)

// mayIssue tells whether a new credential may be made now.
func (k *recollection) mayIssue(now time.Time) bool {
	if k.issues == nil {
		k.issues = rate.NewLimiter(rate.Every(issueEvery), issueBurst)
	}
	return k.issues.AllowN(now, 1)
}
