package operator

import (
	"context"
	"hash/fnv"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// refresh asks persistence for the usage when that is due, and spreads Applications over the interval.
func (r *Reconciler) refresh(ctx context.Context, v *View, d *Decision, known *recollection) {
	if known.usageDue.IsZero() {
		known.usageDue = v.Now.Add(spread(v.Application.UID, r.usageInterval))
	}
	if warn := d.warnAt(); !warn.IsZero() && known.usageAt.Before(warn) { // near its end, an overlap is looked at once more
		if at := later(warn, known.usageAt.Add(r.usageInterval)); at.Before(known.usageDue) {
			known.usageDue = at
		}
	}
	if v.Now.Before(known.usageDue) || !v.Application.DeletionTimestamp.IsZero() {
		return
	}
	known.usageDue = v.Now.Add(r.usageInterval)
	usage, err := r.actor.archive.Usage(ctx, v.Application.UUID())
	if err != nil { // it is a courtesy: what was known stays
		r.log.DebugContext(ctx, "usage is not to be had", "namespace", v.Application.Namespace, "name", v.Application.Name, "error", err)
		return
	}
	known.usage, known.usageAt = usage, v.Now
}

// pause is how long the Application can be left alone.
func (r *Reconciler) pause(v *View, d *Decision, known *recollection) time.Duration {
	next := d.Next
	if v.Application.DeletionTimestamp.IsZero() && (next.IsZero() || known.usageDue.Before(next)) {
		next = known.usageDue
	}
	if whole := second(next); whole.Before(next) {
		next = whole.Add(time.Second) // a View knows whole seconds: before that, it would be too early again and again
	}
	return max(next.Sub(r.now()), time.Millisecond) // a moment that just passed is at once
}

// warnAt is when a quarter of an overlap is left; zero when there is none.
func (d *Decision) warnAt() time.Time {
	if d.credentials.previous == nil {
		return time.Time{}
	}
	return d.credentials.warnAt()
}

// spread gives every Application its own moment of an interval.
func spread(uid types.UID, interval time.Duration) time.Duration {
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(uid)) // never fails
	return time.Duration(float64(interval) * float64(hash.Sum32()) / (1 << 32))
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
