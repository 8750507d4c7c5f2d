package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/theeye-dev/theeye/api/v1alpha1"
	"github.com/theeye-dev/theeye/hack/chart/e2e/cluster"
	"github.com/theeye-dev/theeye/hack/chart/e2e/load"
)

// app is an Application and the client app's pod that uses its Secret.
type app struct {
	suite *suite
	name  string
}

func (s *suite) newApp(name string) *app { return &app{suite: s, name: name} }

// resource is the Application's name and place.
func (a *app) resource() *v1alpha1.Application {
	return &v1alpha1.Application{ObjectMeta: metav1.ObjectMeta{Name: a.name, Namespace: a.suite.apps()}}
}

// apply makes the Application, waits until it is Ready, and starts the app.
func (a *app) apply(ctx context.Context, spec v1alpha1.ApplicationSpec) error {
	application := a.resource()
	application.Spec = spec
	if err := a.suite.cluster.Create(ctx, application); err != nil {
		return fmt.Errorf("apply Application: %w", err)
	}
	if err := a.ready(ctx); err != nil {
		return err
	}
	if err := a.suite.cluster.Create(ctx, a.pod()); err != nil {
		return fmt.Errorf("start the app: %w", err)
	}
	return cluster.Until(ctx, "the app", func(ctx context.Context) (string, error) { //nolint:wrapcheck // says all
		pod := a.pod()
		if err := a.suite.cluster.Get(ctx, client.ObjectKeyFromObject(pod), pod); err != nil {
			return "", err //nolint:wrapcheck // printed after what was waited for
		}
		if cluster.PodReady(*pod) {
			return "", nil
		}
		return "not Ready, phase " + string(pod.Status.Phase), nil
	})
}

// ready waits until the operator has done all of the newest spec.
func (a *app) ready(ctx context.Context) error {
	return cluster.Until(ctx, "Application "+a.name, func(ctx context.Context) (string, error) { //nolint:wrapcheck // says all
		application := a.resource()
		if err := a.suite.cluster.Get(ctx, client.ObjectKeyFromObject(application), application); err != nil {
			return "", err //nolint:wrapcheck // printed after what was waited for
		}
		for _, c := range application.Status.Conditions {
			if c.Type == v1alpha1.ConditionReady {
				if c.Status == metav1.ConditionTrue && application.Status.ObservedGeneration == application.Generation {
					return "", nil
				}
				return fmt.Sprintf("Ready is %s: %s, %s", c.Status, c.Reason, c.Message), nil
			}
		}
		return "no condition Ready", nil
	})
}

// change patches the Application.
func (a *app) change(ctx context.Context, edit func(*v1alpha1.Application)) error {
	application := a.resource()
	if err := a.suite.cluster.Get(ctx, client.ObjectKeyFromObject(application), application); err != nil {
		return fmt.Errorf("get Application: %w", err)
	}
	before := application.DeepCopy()
	edit(application)
	if err := a.suite.cluster.Patch(ctx, application, client.MergeFrom(before)); err != nil {
		return fmt.Errorf("change Application: %w", err)
	}
	return nil
}

// pod is the app as its team would run it: restricted, without a token, its credentials mounted from the Secret.
func (a *app) pod() *corev1.Pod {
	yes, no := true, false
	user := int64(65532)
	secret := a.resource().SecretName()
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: a.name, Namespace: a.suite.apps(), Labels: map[string]string{"app": a.name}},
		Spec: corev1.PodSpec{
			AutomountServiceAccountToken: &no,
			SecurityContext: &corev1.PodSecurityContext{
				RunAsNonRoot: &yes, RunAsUser: &user, SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
			},
			Containers: []corev1.Container{{
				Name: "app", Image: a.suite.options.app,
				Args: []string{"serve", "-secret", "/var/run/theeye", "-read-url", fmt.Sprintf("http://%s-persistence.%s.svc:8082", release, a.suite.options.namespace)},
				SecurityContext: &corev1.SecurityContext{
					AllowPrivilegeEscalation: &no, ReadOnlyRootFilesystem: &yes, Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
				},
				ReadinessProbe: &corev1.Probe{PeriodSeconds: 1, ProbeHandler: corev1.ProbeHandler{
					HTTPGet: &corev1.HTTPGetAction{Path: "/healthz", Port: intstr.FromInt32(8080)},
				}},
				VolumeMounts: []corev1.VolumeMount{{Name: "theeye", MountPath: "/var/run/theeye", ReadOnly: true}},
			}},
			Volumes: []corev1.Volume{{Name: "theeye", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: secret}}}},
		},
	}
}

// ask speaks to the app through the API server's proxy, which works on any cluster.
func (a *app) ask(ctx context.Context, method, path string, query map[string]string, body, into any) error {
	request := map[string]func() *rest.Request{
		"GET": a.suite.cluster.Clientset.CoreV1().RESTClient().Get, "POST": a.suite.cluster.Clientset.CoreV1().RESTClient().Post,
	}[method]().Namespace(a.suite.apps()).Resource("pods").Name(a.name + ":8080").SubResource("proxy").Suffix(path)
	for k, v := range query {
		request = request.Param(k, v)
	}
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("encode question: %w", err)
		}
		request = request.Body(text)
	}
	text, err := request.DoRaw(ctx)
	if err != nil {
		return fmt.Errorf("ask the app for %s: %w %s", path, err, text)
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("decode the app's answer to %s: %w", path, err)
	}
	return nil
}

func (a *app) start(ctx context.Context, plan load.Plan) error {
	return a.ask(ctx, "POST", "start", nil, plan, nil)
}

func (a *app) progress(ctx context.Context) (load.Progress, error) {
	var p load.Progress
	err := a.ask(ctx, "GET", "progress", nil, nil, &p)
	return p, err
}

// stop ends the run and returns what was sent and what came back.
func (a *app) stop(ctx context.Context) (load.Report, error) {
	var r load.Report
	err := a.ask(ctx, "POST", "stop", nil, nil, &r)
	return r, err
}

// once is the status of one request with a version of the credential; 0 is the newest.
func (a *app) once(ctx context.Context, version string) (int, error) {
	var status int
	err := a.ask(ctx, "POST", "once", map[string]string{"version": version}, nil, &status)
	return status, err
}

// until waits until the run that is under way is as wanted.
func (a *app) until(ctx context.Context, what string, lack func(load.Progress) string) error {
	return cluster.Until(ctx, what, func(ctx context.Context) (string, error) { //nolint:wrapcheck // says all
		p, err := a.progress(ctx)
		return lack(p), err
	})
}

// acked waits until so many more events have been accepted.
func (a *app) acked(ctx context.Context, more int) error {
	p, err := a.progress(ctx)
	if err != nil {
		return err
	}
	target := p.Acked + more
	return a.until(ctx, "accepted events", func(p load.Progress) string {
		if p.Acked >= target {
			return ""
		}
		return fmt.Sprintf("%d of %d accepted; %s", p.Acked, target, counts(p))
	})
}

// counts says in short what the app was answered.
func counts(p load.Progress) string {
	var parts []string
	for _, status := range slices.Sorted(maps.Keys(p.Statuses)) {
		parts = append(parts, fmt.Sprintf("%s: %d", status, p.Statuses[status]))
	}
	for _, reason := range slices.Sorted(maps.Keys(p.Errors)) {
		parts = append(parts, fmt.Sprintf("connection %s: %d", reason, p.Errors[reason]))
	}
	return strings.Join(parts, ", ")
}
