package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/theeye-dev/theeye/api/v1alpha1"
	"github.com/theeye-dev/theeye/hack/chart/e2e/cluster"
	"github.com/theeye-dev/theeye/hack/chart/e2e/load"
)

// again upgrades to what is installed already: the passwords' Job runs once more, and neither they nor any pod changes.
func (s *suite) again(ctx context.Context) error {
	before, err := s.cluster.Lives(ctx, s.options.namespace, s.labels(""))
	if err != nil {
		return err //nolint:wrapcheck // says all
	}
	if s.passwords, err = s.readPasswords(ctx); err != nil {
		return err
	}
	report, err := s.under(ctx, load.Plan{Run: "again", Rate: faultRate, Batch: 1}, func(ctx context.Context) error {
		return s.helm.Upgrade(ctx, s.options.chart, time.Minute)
	})
	if err != nil {
		return err
	}
	after, err := s.cluster.Lives(ctx, s.options.namespace, s.labels(""))
	if err != nil {
		return err //nolint:wrapcheck // says all
	}
	if !maps.Equal(before, after) {
		return fmt.Errorf("pods and their restarts were %v and are %v", before, after)
	}
	return errors.Join(s.samePasswords(ctx), connections(report))
}

// samePasswords fails when they are not what they were.
func (s *suite) samePasswords(ctx context.Context) error {
	passwords, err := s.readPasswords(ctx)
	if err == nil && !reflect.DeepEqual(passwords.Data, s.passwords.Data) {
		err = errors.New("the passwords have changed")
	}
	return err
}

// kept is what the release's namespace has after an uninstall, and the notes say so.
func kept() []string {
	return []string{
		"PersistentVolumeClaim/data-" + release + "-postgres-0", "PersistentVolumeClaim/data-" + release + "-redis-0", "Secret/" + release + "-passwords",
	}
}

// uninstall takes the release away while there are Applications.
func (s *suite) uninstall(ctx context.Context) error {
	left := s.newApp("left-behind")
	if err := s.cluster.Create(ctx, left.resource()); err != nil {
		return fmt.Errorf("make Application: %w", err)
	}
	if err := left.ready(ctx); err != nil {
		return err
	}
	var err error
	if s.clientID, err = s.shop.clientID(ctx); err != nil {
		return err
	}
	if s.passwords, err = s.readPasswords(ctx); err != nil {
		return err
	}
	begun := time.Now()
	if err := s.helm.Uninstall(hookTimeout, true); err != nil {
		return err //nolint:wrapcheck // says all
	}
	s.say("helm uninstall returned after %.1fs", time.Since(begun).Seconds())
	if err := s.remains(ctx, left); err != nil {
		return err
	}
	// Nobody is there who could take a finalizer off.
	begun = time.Now()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: left.resource().SecretName(), Namespace: s.apps()}}
	if err := errors.Join(s.cluster.Remove(ctx, left.resource()), s.cluster.Gone(ctx, secret)); err != nil {
		return err
	}
	s.say("an Application deleted without the operator went, with its Secret, within %.1fs", time.Since(begun).Seconds())
	return nil
}

// remains compares what there is with what there should be.
func (s *suite) remains(ctx context.Context, left *app) error {
	resources := func(a *app) []string {
		return []string{"Application/" + a.name, "Secret/" + a.resource().SecretName()}
	}
	pods := []string{"Pod/" + s.shop.name}
	wanted := map[string][]string{
		s.options.namespace: kept(),
		s.apps():            slices.Concat(resources(s.shop), resources(left), pods),
		"":                  {"CustomResourceDefinition/applications.theeye.dev"},
	}
	for _, namespace := range slices.Sorted(maps.Keys(wanted)) {
		slices.Sort(wanted[namespace])
		where := map[bool]string{true: "the cluster", false: namespace}[namespace == ""]
		err := cluster.Until(ctx, "the rest of "+where+" to go", func(ctx context.Context) (string, error) {
			all, err := s.cluster.Inventory(ctx, namespace)
			if namespace == "" {
				all = cluster.OfRelease(all, release, s.options.namespace)
			}
			if found := cluster.Names(all); err != nil || !slices.Equal(found, wanted[namespace]) {
				return fmt.Sprintf("there are %v, and %v should be", found, wanted[namespace]), err
			}
			return "", nil
		})
		if err != nil {
			return err //nolint:wrapcheck // says all
		}
		s.say("in %s there remain %s", where, strings.Join(wanted[namespace], ", "))
	}
	return s.noted()
}

// noted tells whether the notes name what remains.
func (s *suite) noted() error {
	for _, name := range append(kept(), "CustomResourceDefinition/applications.theeye.dev") {
		_, name, _ = strings.Cut(name, "/")
		if !strings.Contains(s.notes, name) {
			return fmt.Errorf("the chart's notes do not say that %s remains", name)
		}
	}
	return nil
}

// clientID reads the status.
func (a *app) clientID(ctx context.Context) (string, error) {
	application := a.resource()
	if err := a.suite.cluster.Get(ctx, client.ObjectKeyFromObject(application), application); err != nil {
		return "", fmt.Errorf("get Application: %w", err)
	}
	return application.Status.ClientID, nil
}

// reinstall brings the release back: whoever had a credential goes on with it.
func (s *suite) reinstall(ctx context.Context) error {
	took, err := s.installed(ctx, s.options.chart)
	if err != nil {
		return err
	}
	s.say("all pods Ready %.1fs after helm install", took.Seconds())
	// The spec is as it was: a new operator shows by the status of something that it has to do.
	if err := s.shop.change(ctx, func(a *v1alpha1.Application) { a.Spec.DisplayName = "Web shop, back again" }); err != nil {
		return err
	}
	if err := s.shop.ready(ctx); err != nil {
		return err
	}
	clientID, err := s.shop.clientID(ctx)
	if err != nil {
		return err
	}
	if clientID != s.clientID {
		return fmt.Errorf("the client id is %s and was %s", clientID, s.clientID)
	}
	report, err := s.under(ctx, load.Plan{Run: "back", Rate: faultRate, Batch: 1}, nil)
	if err != nil {
		return err
	}
	if report.Statuses["202"] != report.Requests || report.Credentials != 2 {
		return fmt.Errorf("not every answer was 202, or the credentials changed once more: %s, %d credentials", counts(report.Progress), report.Credentials)
	}
	return errors.Join(s.samePasswords(ctx), s.total(ctx))
}

// total compares all that shop's app has sent in its life with all that there is.
func (s *suite) total(ctx context.Context) error {
	var all load.Readback
	if err := s.shop.ask(ctx, "GET", "total", nil, nil, &all); err != nil {
		return err
	}
	s.say("of all events of this story %d are there; lost %d, twice %d, foreign %d", all.Read, all.Missing, all.Duplicated, all.Foreign)
	s.figures.total += all.Read
	if !all.Sound() {
		return fmt.Errorf("what was read back is not what was sent: %+v", all)
	}
	return nil
}

// installPreceding installs what is to be upgraded, with an Application and its app.
func (s *suite) installPreceding(ctx context.Context) error {
	if err := s.cluster.EnsureNamespace(ctx, s.tools(), nil); err != nil {
		return err //nolint:wrapcheck // says all
	}
	if _, err := s.installed(ctx, s.options.from); err != nil {
		return err
	}
	return s.firstEvents(ctx)
}

// upgrade goes to the version to test under load. Connections may break, for how the old pods end is the preceding
// version's doing; what that leaves open is settled and counted.
func (s *suite) upgrade(ctx context.Context) error {
	before, err := s.shop.clientID(ctx)
	if err != nil {
		return err
	}
	_, err = s.under(ctx, load.Plan{Run: "upgrade", Rate: faultRate, Batch: 1}, func(ctx context.Context) error {
		begun := time.Now()
		if err := s.helm.Upgrade(ctx, s.options.chart, hookTimeout); err != nil {
			return err //nolint:wrapcheck // says all
		}
		if err := s.cluster.Ready(ctx, s.options.namespace, s.labels("")); err != nil {
			return err //nolint:wrapcheck // says all
		}
		s.say("upgraded after %.1fs", time.Since(begun).Seconds())
		return s.gone(ctx)
	})
	if err != nil {
		return err
	}
	after, err := s.shop.clientID(ctx)
	if err != nil {
		return err
	}
	if after != before {
		return fmt.Errorf("the client id was %s and is %s", before, after)
	}
	return errors.Join(s.steady(ctx), s.test(ctx), s.total(ctx))
}
