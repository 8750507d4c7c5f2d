package services_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/stream"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// promptly is what must happen within a second, on a machine that does many other things meanwhile.
const promptly = 15 * time.Second

// shown is how kubectl shows the sample, once it has posted.
const shown = `NAMESPACE | NAME | READY | CLIENT ID | SECRET | LAST EVENT | AGE
shop | web-shop | True | eye_a | web-shop-theeye | 0s | 0s`

// durations are what kubectl prints of a time not long ago.
var durations = regexp.MustCompile(`\b\d+[smh](\d+[sm])?\b`)

// The story of an application: its manifest is applied, its Secret opens the door, and after its deletion no more.
func TestApplicationsStory(t *testing.T) {
	o := newOperated(t, nil, "--usage-interval=1s")
	o.cluster.ControllerManager(t) // deletes what a deleted object owned
	if _, err := o.cluster.TryKubectl(t, "create", "namespace", "shop"); err != nil && !strings.Contains(err.Error(), "already exists") {
		t.Fatal(err)
	}
	began := time.Now()
	o.cluster.Kubectl(t, "apply", "-f", "../config/samples/application.yaml")
	a := o.accepted("shop", "web-shop")
	t.Logf("from apply to the first accepted event: %s", time.Since(began))
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte(a.clientID+":"+a.key))
	if status, body := o.do(http.MethodPost, o.ingest.URL+"/v1/events", basic, []byte(basket("by-basic"))); status != http.StatusAccepted {
		t.Errorf("with client id and secret: %d %s", status, body)
	}
	o.awaitEvents(a, url.Values{}, 2)
	o.cluster.Kubectl(t, "wait", "eyeapp/web-shop", "-n", "shop", "--for=condition=Ready", "--timeout="+patience.String())
	eventually(t, func() error {
		lines := o.cluster.Kubectl(t, "get", "eyeapp", "-A")
		got := durations.ReplaceAllString(strings.ReplaceAll(table(only(lines, "NAMESPACE ", "shop ")), a.clientID, "eye_a"), "0s")
		if diff := cmp.Diff(shown, got); diff != "" {
			return errors.New(diff)
		}
		return nil
	})

	o.cluster.Kubectl(t, "delete", "-f", "../config/samples/application.yaml", "--timeout="+patience.String())
	began = time.Now()
	eventually(t, func() error { return o.answers(a, http.StatusUnauthorized) })
	if took := time.Since(began); took > promptly {
		t.Errorf("the credential was good for %s after the deletion", took)
	}
	eventually(t, func() error {
		err := o.k8s.Get(t.Context(), client.ObjectKey{Namespace: "shop", Name: "web-shop-theeye"}, &corev1.Secret{})
		if !apierrors.IsNotFound(err) {
			return fmt.Errorf("the Secret is still there: %w", err)
		}
		return nil
	})
	o.keepsSecret(a.key)
}

// only keeps the lines that begin with one of the prefixes.
func only(text string, prefixes ...string) string {
	var kept []string
	for line := range strings.Lines(text) {
		for _, prefix := range prefixes {
			if strings.HasPrefix(line, prefix) {
				kept = append(kept, line)
			}
		}
	}
	return strings.Join(kept, "")
}

// Suspended closes the door at once, and nothing else: the same key opens it again.
func TestSuspendedApplication(t *testing.T) {
	t.Parallel()
	namespace := testenv.Kubernetes(t).Namespace(t)
	o := newOperated(t, []string{namespace})
	o.create(namespace, "web-shop", "{}")
	a := o.accepted(namespace, "web-shop")
	for _, c := range []struct {
		suspended bool
		status    int
	}{{true, http.StatusForbidden}, {false, http.StatusAccepted}} {
		o.patch(namespace, "web-shop", fmt.Sprintf(`{"spec":{"suspended":%t}}`, c.suspended))
		began := time.Now()
		eventually(t, func() error { return o.answers(a, c.status) })
		if took := time.Since(began); took > promptly {
			t.Errorf("suspended: %t took %s", c.suspended, took)
		}
	}
}

// With deletionPolicy Erase the events go with the Application; another's stay.
func TestErasedApplication(t *testing.T) {
	t.Parallel()
	namespace := testenv.Kubernetes(t).Namespace(t)
	o := newOperated(t, []string{namespace})
	o.create(namespace, "erased", "{deletionPolicy: Erase}")
	o.create(namespace, "retained", "{deletionPolicy: Retain}")
	erased, retained := o.accepted(namespace, "erased"), o.accepted(namespace, "retained")
	stays := o.accepted(namespace, "retained") // a second event
	if stays.key != retained.key {
		t.Fatal("the key changed")
	}
	o.awaitEvents(erased, url.Values{}, 1)
	o.awaitEvents(retained, url.Values{}, 2)
	o.delete(namespace, "erased")
	o.delete(namespace, "retained")
	eventually(t, func() error { return o.answers(erased, http.StatusUnauthorized) })
	eventually(t, func() error {
		if n := o.count("SELECT count(*) FROM persistence.events WHERE application = $1", erased.uid); n != 0 {
			return fmt.Errorf("%d events are still stored", n)
		}
		return nil
	})
	if n := o.count("SELECT count(*) FROM persistence.events WHERE application = $1", retained.uid); n != 2 {
		t.Errorf("the other application has %d events left, want 2", n)
	}
}

// What auth and the application log knew is lost while everything runs. The cluster still has it: the same key works
// again, and its Secret was not touched.
func TestLostRecordsComeBack(t *testing.T) {
	t.Parallel()
	namespace := testenv.Kubernetes(t).Namespace(t)
	o := newOperated(t, []string{namespace}, "--compare-interval=1s")
	app := o.create(namespace, "web-shop", "{}")
	a := o.accepted(namespace, "web-shop")
	before := o.secretVersion(namespace, app.SecretName())
	if n := o.count("WITH lost AS (DELETE FROM auth.applications RETURNING 1) SELECT count(*) FROM lost"); n != 1 {
		t.Fatalf("%d applications were lost, want 1", n)
	}
	o.forgetLog()
	eventually(t, func() error {
		if o.count("SELECT count(*) FROM auth.applications WHERE uid = $1", app.UID) == 0 {
			return errors.New("auth does not know the application")
		}
		return o.answers(a, http.StatusAccepted)
	})
	if after := o.secretVersion(namespace, app.SecretName()); after != before {
		t.Errorf("the Secret was written: %s, then %s", before, after)
	}
	var record registry.Application
	if o.asOperator(http.MethodGet, o.auth.URL+a.path(), authAudience, nil, &record); len(record.Credentials) != 1 {
		t.Errorf("auth has %+v", record)
	}
}

func (o *operated) secretVersion(namespace, name string) string {
	o.t.Helper()
	var secret corev1.Secret
	if err := o.k8s.Get(o.t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, &secret); err != nil {
		o.t.Fatal(err)
	}
	return secret.ResourceVersion
}

// forgetLog deletes the application log.
func (o *operated) forgetLog() {
	o.t.Helper()
	redis, err := stream.Open(o.redis.URL())
	if err != nil {
		o.t.Fatal(err)
	}
	defer redis.Close() //nolint:errcheck // nothing is lost with it
	if n, err := redis.Del(o.t.Context(), registry.LogKey, registry.LatestKey).Result(); err != nil || n != 2 {
		o.t.Fatalf("%d keys were deleted: %v", n, err)
	}
}
