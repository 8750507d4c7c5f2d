package services_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// grantErrand gives a service account of home the rules of a file in charts/theeye/files/rbac, with a name filled in as
// the chart's templates do it: in a namespace, or everywhere ("").
func (o *operated) grantErrand(account, namespace, file, name string) {
	o.t.Helper()
	text, err := os.ReadFile("../charts/theeye/files/rbac/" + file)
	if err != nil {
		o.t.Fatal(err)
	}
	var rules []rbacv1.PolicyRule
	if err := yaml.UnmarshalStrict([]byte(strings.ReplaceAll(string(text), "NAME", name)), &rules); err != nil {
		o.t.Fatal(err)
	}
	meta := metav1.ObjectMeta{Namespace: namespace, Name: o.home + "-" + strings.TrimSuffix(file, ".yaml")}
	subjects := []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: o.home, Name: account}}
	ref := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: meta.Name}
	objects := []client.Object{
		&rbacv1.Role{ObjectMeta: meta, Rules: rules}, &rbacv1.RoleBinding{ObjectMeta: meta, Subjects: subjects, RoleRef: ref},
	}
	if namespace == "" {
		ref.Kind = "ClusterRole"
		objects = []client.Object{
			&rbacv1.ClusterRole{ObjectMeta: meta, Rules: rules}, &rbacv1.ClusterRoleBinding{ObjectMeta: meta, Subjects: subjects, RoleRef: ref},
		}
	}
	for _, object := range objects {
		if err := o.k8s.Create(o.t.Context(), object); err != nil {
			o.t.Fatal(err)
		}
	}
	resource, subresource, _ := strings.Cut(rules[0].Resources[0], "/")
	what := authorizationv1.ResourceAttributes{
		Namespace: namespace, Verb: rules[0].Verbs[0], Group: rules[0].APIGroups[0], Resource: resource, Subresource: subresource, Name: name,
	}
	o.awaitRight(account, what)
}

// errand is a subcommand of the operator's binary that runs.
type errand struct {
	o     *operated
	cmd   *exec.Cmd
	log   string
	ended chan error
}

// errand starts the operator's binary as a service account of home.
func (o *operated) errand(account string, args ...string) *errand {
	o.t.Helper()
	kubeconfig := o.cluster.Kubeconfig(o.t, o.cluster.As(o.t, o.home, account))
	e := &errand{o: o, log: filepath.Join(o.t.TempDir(), "log"), ended: make(chan error, 1)}
	log, err := os.Create(e.log)
	if err != nil {
		o.t.Fatal(err)
	}
	e.cmd = exec.CommandContext(o.t.Context(), testenv.Build(o.t, "operator")[0], append(args, "--kubeconfig="+kubeconfig)...)
	e.cmd.Stdout, e.cmd.Stderr = log, log
	if err := errors.Join(e.cmd.Start(), log.Close()); err != nil {
		o.t.Fatal(err)
	}
	go func() { e.ended <- e.cmd.Wait() }()
	return e
}

// said is what it printed so far.
func (e *errand) said() string {
	e.o.t.Helper()
	text, err := os.ReadFile(e.log)
	if err != nil {
		e.o.t.Fatal(err)
	}
	return string(text)
}

// await waits until it has printed a text.
func (e *errand) await(text string) {
	e.o.t.Helper()
	eventually(e.o.t, func() error {
		if said := e.said(); !strings.Contains(said, text) {
			return fmt.Errorf("it does not say %q:\n%s", text, said)
		}
		return nil
	})
}

// end waits for its end and returns what it printed; its exit code must be the given one, and its output have texts.
func (e *errand) end(code int, texts ...string) string {
	e.o.t.Helper()
	e.wait()
	said := e.said()
	if got := e.cmd.ProcessState.ExitCode(); got != code {
		e.o.t.Errorf("it ended with %d, want %d:\n%s", got, code, said)
	}
	for _, text := range texts {
		if !strings.Contains(said, text) {
			e.o.t.Errorf("it does not say %q:\n%s", text, said)
		}
	}
	return said
}

// kill ends it in the middle.
func (e *errand) kill() {
	e.o.t.Helper()
	if err := e.cmd.Process.Kill(); err != nil {
		e.o.t.Fatal(err)
	}
	e.wait()
}

// wait returns when the process has ended, whichever way.
func (e *errand) wait() {
	e.o.t.Helper()
	if err := <-e.ended; err != nil && !errors.As(err, new(*exec.ExitError)) {
		e.o.t.Fatal(err)
	}
}
