package operator

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/api/v1alpha1"
)

// shown is what the status tells of credentials: ID and state, when it was issued, and until when.
func shown(app *v1alpha1.Application) []string {
	all := make([]string, 0, len(app.Status.Credentials))
	for _, c := range app.Status.Credentials {
		line := c.ID + " " + string(c.State)
		if c.IssuedAt != nil {
			line += " " + rfc3339(c.IssuedAt)
		}
		if c.ExpiresAt != nil {
			line = until(line, &c.ExpiresAt.Time)
		}
		all = append(all, line)
	}
	return all
}

// showing fails when the status tells something else, of credentials or of the next rotation.
func (w *world) showing(app *v1alpha1.Application, next time.Time, want ...string) {
	w.t.Helper()
	current, err := w.read(app)
	if err != nil {
		w.t.Fatal(err)
	}
	if diff := cmp.Diff(want, shown(current)); diff != "" {
		w.t.Errorf("status: %s", diff)
	}
	if got := current.Status.NextRotation; next.IsZero() != (got == nil) || got != nil && !got.Time.Equal(next) {
		w.t.Errorf("the next rotation is at %v, want %v", got, next)
	}
}

func at(t time.Time) string { return rfc3339(&metav1.Time{Time: t}) }

// Credentials are replaced at their age and not before; both are valid during the overlap and not after it; and the
// status shows each with its state.
func TestRotationByAge(t *testing.T) {
	t.Parallel()
	var looks atomic.Int64
	w := newWorld(t, counted(&looks))
	const interval, overlap = 720 * time.Hour, 24 * time.Hour
	born := second(w.clock.Now())
	app, first := w.ready(w.apply("shop", rotating("720h", "24h")))
	w.showing(app, born.Add(interval), "1 Active "+at(born))

	w.clock.advance(interval - time.Second - w.clock.Now().Sub(born))
	w.reconcile(app, &looks)
	w.awaitLive(app, "1")
	w.untouched(first)

	w.clock.advance(time.Second)
	w.poke(app)
	replaced := born.Add(interval)
	newer, end := w.otherKey(app, keyOf(first)), replaced.Add(overlap)
	w.awaitLive(app, until("1", &end), "2")
	for _, key := range []string{keyOf(first), keyOf(newer)} {
		if err := w.works(app, key); err != nil {
			t.Error(err)
		}
	}
	w.awaitEvent(app, corev1.EventTypeNormal, whyRotated, newer.Name)
	w.showing(app, replaced.Add(interval), "2 Active "+at(replaced), until("1 Expiring "+at(born), &end))
	if book := readBook(newer); len(book) != 2 || book[0].ID != "2" || book[1].ID != "1" {
		t.Errorf("the book is %v", book)
	}

	w.clock.advance(overlap - time.Second)
	w.reconcile(app, &looks)
	w.untouched(newer)
	w.awaitLive(app, until("1", &end), "2")

	w.clock.advance(time.Second)
	w.reconcile(app, &looks)
	w.awaitLive(app, "2")
	w.showing(app, replaced.Add(interval), "2 Active "+at(replaced))
	_, after := w.ready(app)
	if book := readBook(after); len(book) != 1 || book[0].ID != "2" || keyOf(after) != keyOf(newer) {
		t.Errorf("the book is %v, same key: %t", book, keyOf(after) == keyOf(newer))
	}
	w.awaitEvent(app, corev1.EventTypeNormal, eventRevoked, "Credential 1 is revoked")
	if repairs, err := w.events(app, whyUpdated); err != nil || len(repairs) > 0 {
		t.Errorf("nothing was broken, and yet it says so: %+v, %v", repairs, err)
	}
}

// A new value of the annotation asks for a new credential, at once; a newer one, while both are still valid, waits for
// the older one's end.
func TestRotationOnDemand(t *testing.T) {
	t.Parallel()
	var looks atomic.Int64
	w := newWorld(t, counted(&looks))
	born := second(w.clock.Now())
	app, first := w.ready(w.apply("shop"))
	w.showing(app, time.Time{}, "1 Active "+at(born))
	w.rotate(app, "please")
	second := w.otherKey(app, keyOf(first))
	end := born.Add(v1alpha1.DefaultOverlap)
	w.awaitLive(app, until("1", &end), "2")
	w.reconcile(app, &looks) // the same value is not asked twice
	w.untouched(second)

	w.rotate(app, "once more")
	w.await(app, v1alpha1.ConditionCredentialsPublished, metav1.ConditionTrue, v1alpha1.ReasonRotating)
	w.untouched(second)
	w.awaitLive(app, until("1", &end), "2")
	w.showing(app, end, "2 Active "+at(born), until("1 Expiring "+at(born), &end))

	w.clock.advance(v1alpha1.DefaultOverlap)
	w.poke(app)
	third := w.otherKey(app, keyOf(second))
	lastEnd := secondAfter(w, v1alpha1.DefaultOverlap)
	w.awaitLive(app, until("2", &lastEnd), "3")
	if err := w.works(app, keyOf(second)); err != nil || keyOf(third) == keyOf(first) {
		t.Errorf("the second key: %v; the first again: %t", err, keyOf(third) == keyOf(first))
	}
}

// Without an overlap the old credential ends as soon as the new one is published.
func TestRotationWithoutOverlap(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	app, first := w.ready(w.apply("shop", rotating("", "0s")))
	w.rotate(app, "please")
	second := w.otherKey(app, keyOf(first))
	w.awaitLive(app, "2")
	current, _ := w.ready(app)
	if len(current.Status.Credentials) != 1 || len(readBook(second)) != 1 {
		t.Errorf("status %v, book %v", shown(current), readBook(second))
	}
	if c := meta.FindStatusCondition(current.Status.Conditions, v1alpha1.ConditionPreviousSecretInUse); c != nil {
		t.Errorf("there is no previous secret, and yet %+v", c)
	}
}

// The overlap may be changed while it lasts: shortened in an emergency, or lengthened for somebody who is late.
func TestOverlapChangesUnderWay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	app, first := w.ready(w.apply("shop", rotating("", "24h")))
	begin := second(w.clock.Now())
	w.rotate(app, "please")
	w.otherKey(app, keyOf(first))
	for _, overlap := range []string{"48h", "1h"} {
		w.change(app, rotating("", overlap))
		length, err := time.ParseDuration(overlap)
		if err != nil {
			t.Fatal(err)
		}
		end := begin.Add(length)
		w.awaitLive(app, until("1", &end), "2")
	}
	w.change(app, rotating("", "0s"))
	w.awaitLive(app, "2")
}

// auth loses everything, in the middle of a rotation: it is told again, of both credentials, and no Secret changes.
func TestAuthIsRebuiltFromTheCluster(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *Options) { o.CompareInterval = 100 * time.Millisecond })
	app, first := w.ready(w.apply("shop", func(a *v1alpha1.Application) { a.Spec.DisplayName = "Shop" }))
	w.rotate(app, "please")
	second := w.otherKey(app, keyOf(first))
	end := secondAfter(w, v1alpha1.DefaultOverlap)
	w.awaitLive(app, until("1", &end), "2")
	before := w.record(app)

	w.emptyAuth()
	w.awaitLive(app, until("1", &end), "2")
	if diff := cmp.Diff(before.Credentials, w.record(app).Credentials); diff != "" {
		t.Errorf("auth has others: %s", diff)
	}
	if diff := cmp.Diff(before.Policy, w.record(app).Policy); diff != "" || before.ClientID != w.record(app).ClientID {
		t.Errorf("auth has another policy or client: %s", diff)
	}
	w.ready(app)
	w.untouched(second)
	w.awaitGone(app.CandidateName())

	w.clock.advance(v1alpha1.DefaultOverlap) // and the rotation ends as if nothing had been
	w.poke(app)
	w.awaitLive(app, "2")
}

// emptyAuth takes everything away that auth keeps, in its database and in Redis.
func (w *world) emptyAuth() {
	w.t.Helper()
	ctx := context.Background()
	options, err := redis.ParseURL(w.redis)
	if err != nil {
		w.t.Fatal(err)
	}
	log := redis.NewClient(options)
	defer log.Close() //nolint:errcheck // the test is over with it
	database, err := pgx.Connect(ctx, w.postgres)
	if err != nil {
		w.t.Fatal(err)
	}
	defer database.Close(ctx) //nolint:errcheck // the test is over with it
	w.auth.Kill()
	if _, err := database.Exec(ctx, "TRUNCATE auth.applications, auth.credentials"); err != nil {
		w.t.Fatal(err)
	}
	if err := log.Del(ctx, registry.LogKey, registry.LatestKey).Err(); err != nil {
		w.t.Fatal(err)
	}
	w.auth.Restart()
}
