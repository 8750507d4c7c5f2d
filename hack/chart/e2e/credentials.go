package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/api/v1alpha1"
	"github.com/theeye-dev/theeye/hack/chart/e2e/cluster"
	"github.com/theeye-dev/theeye/hack/chart/e2e/load"
)

// promised is within what time a change of who may post has to work everywhere.
const promised = time.Second

// rotation replaces the credentials while both versions are in use.
func (s *suite) rotation(ctx context.Context) error {
	report, err := s.under(ctx, load.Plan{Run: "rotation", Rate: 200, Batch: 1, Alternate: true}, func(ctx context.Context) error {
		begun := time.Now()
		if err := s.rotate(ctx); err != nil {
			return err
		}
		s.say("the Secret had the new credential after %.2fs", time.Since(begun).Seconds())
		return s.shop.until(ctx, "the app to use both credentials", func(p load.Progress) string {
			const enough = 50
			if p.Versions["2"]["202"] >= enough && p.Versions["1"]["202"] >= enough {
				return ""
			}
			return fmt.Sprintf("accepted by version: %v", p.Versions)
		})
	})
	if err != nil {
		return err
	}
	s.say("accepted with the old credential %d, with the new one %d; 401: %d",
		report.Versions["1"]["202"], report.Versions["2"]["202"], report.Statuses["401"])
	begun := time.Now()
	err = cluster.Until(ctx, "the end of the old credential", func(ctx context.Context) (string, error) {
		status, err := s.shop.once(ctx, "1")
		if err != nil || status == http.StatusUnauthorized {
			return "", err
		}
		return fmt.Sprintf("answered %d", status), nil
	})
	if err != nil {
		return err //nolint:wrapcheck // says all
	}
	s.say("the old credential ended %.1fs after that", time.Since(begun).Seconds())
	status, err := s.shop.once(ctx, "2")
	if err == nil && status == http.StatusUnauthorized {
		err = errors.New("the new credential is refused, too")
	}
	return err
}

// rotate asks for new credentials and waits until the Secret has them.
func (s *suite) rotate(ctx context.Context) error {
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: s.shop.resource().SecretName(), Namespace: s.apps()}}
	if err := s.cluster.Get(ctx, client.ObjectKeyFromObject(secret), secret); err != nil {
		return fmt.Errorf("get Secret: %w", err)
	}
	before := string(secret.Data[v1alpha1.KeyAPIKey])
	err := s.shop.change(ctx, func(a *v1alpha1.Application) {
		metav1.SetMetaDataAnnotation(&a.ObjectMeta, v1alpha1.RotateAnnotation, time.Now().String())
	})
	if err != nil {
		return err
	}
	err = cluster.Until(ctx, "the new credential", func(ctx context.Context) (string, error) {
		if err := s.cluster.Get(ctx, client.ObjectKeyFromObject(secret), secret); err != nil {
			return "", err //nolint:wrapcheck // printed after what was waited for
		}
		if string(secret.Data[v1alpha1.KeyAPIKey]) == before {
			return "the Secret has the old one", nil
		}
		return "", nil
	})
	if err != nil {
		return err //nolint:wrapcheck // says all
	}
	// A kubelet looks at a pod's Secrets once a minute, and at once when the pod itself changes.
	pod := s.shop.pod()
	patch := []byte(fmt.Sprintf(`{"metadata":{"annotations":{"rotated":%q}}}`, time.Now()))
	if err := s.cluster.Patch(ctx, pod, client.RawPatch("application/merge-patch+json", patch)); err != nil {
		return fmt.Errorf("wake the kubelet: %w", err)
	}
	return nil
}

// suspension closes the door to an application, and opens it again.
func (s *suite) suspension(ctx context.Context) error {
	suspend := func(suspended bool) error {
		return s.shop.change(ctx, func(a *v1alpha1.Application) { a.Spec.Suspended = suspended })
	}
	_, err := s.under(ctx, load.Plan{Run: "suspension", Rate: 100, Batch: 1}, func(ctx context.Context) error {
		if err := suspend(true); err != nil {
			return err
		}
		lag, err := closed(ctx, s.shop, "403")
		if err != nil {
			return err
		}
		s.say("the last event was accepted %.2fs after kubectl's answer", lag.Seconds())
		begun := time.Now()
		if err := suspend(false); err != nil {
			return err
		}
		if err := s.shop.acked(ctx, 1); err != nil {
			return err
		}
		s.say("the first one again after %.2fs", time.Since(begun).Seconds())
		return s.shop.ready(ctx)
	}, "403")
	return err
}

// closed waits until an app is answered nothing but a status for a while: how long after the call the last of its events
// was accepted. More than promised is an error. Ages are compared, for the app's clock may be another.
func closed(ctx context.Context, a *app, status string) (time.Duration, error) {
	begun := time.Now()
	var lag time.Duration
	err := a.until(ctx, "status "+status+" alone", func(p load.Progress) string {
		age := time.Duration(p.Ages["202"] * float64(time.Second))
		lag = max(0, time.Since(begun)-age)
		if p.Statuses[status] > 0 && age > 2*promised {
			return ""
		}
		return fmt.Sprintf("%s; the last 202 %.1fs ago", counts(p), age.Seconds())
	})
	if err == nil && lag > promised {
		err = fmt.Errorf("events were accepted for %.2fs: more than %s", lag.Seconds(), promised)
	}
	return lag, err
}

// deletion ends an application of its own, under load.
func (s *suite) deletion(ctx context.Context) error {
	short := s.newApp("short-lived")
	if err := short.apply(ctx, v1alpha1.ApplicationSpec{DeletionPolicy: registry.Erase}); err != nil {
		return err
	}
	if err := short.start(ctx, load.Plan{Run: "deletion", Rate: 100, Batch: 1}); err != nil {
		return err
	}
	if err := short.acked(ctx, 100); err != nil {
		return err
	}
	application := short.resource()
	if err := s.cluster.Delete(ctx, application); err != nil {
		return fmt.Errorf("delete Application: %w", err)
	}
	begun := time.Now()
	lag, err := closed(ctx, short, "401")
	if err != nil {
		return err
	}
	s.say("the last event was accepted %.2fs after kubectl's answer", lag.Seconds())
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: application.SecretName(), Namespace: s.apps()}}
	if err := errors.Join(s.cluster.Gone(ctx, application), s.cluster.Gone(ctx, secret)); err != nil {
		return err
	}
	s.say("Application, Secret and events were gone %.1fs after it", time.Since(begun).Seconds())
	var report load.Report
	if err := short.ask(ctx, http.MethodPost, "stop", map[string]string{"read": "no"}, nil, &report); err != nil {
		return err
	}
	for status := range report.Statuses { // 429: the app goes on with a key that is none, and its address has sent a hundred
		if status != "202" && status != "401" && status != "429" && status != "503" {
			return fmt.Errorf("unexpected answers: %s", counts(report.Progress))
		}
	}
	return s.cluster.Remove(ctx, short.pod(), client.GracePeriodSeconds(0)) //nolint:wrapcheck // says all
}
