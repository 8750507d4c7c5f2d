package services_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/theeye-dev/theeye/api/v1alpha1"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// The operator's names in config/rbac, and the audiences of its tokens.
const (
	operatorAccount     = "theeye-operator"
	authAudience        = "theeye-auth"
	persistenceAudience = "theeye-persistence"
)

// operated is TheEye as it runs in a Kubernetes cluster: the services are known by their service accounts, which have
// what config/rbac gives them and nothing else, and there is no admin token.
type operated struct {
	*system
	cluster  *testenv.Cluster
	k8s      client.Client // the admin's
	home     string        // the namespace that stands for theeye-system
	watched  []string      // empty: all namespaces
	operator *testenv.Process
}

// newOperated starts all four services. With no namespace to watch the operator has the whole cluster, whose other
// tests wait then: such a test must not be parallel.
func newOperated(t *testing.T, watched []string, args ...string) *operated {
	t.Helper()
	o := newUnoperated(t)
	o.watched = watched
	if len(watched) == 0 {
		o.allow("", "role.yaml", "role_binding.yaml")
		o.awaitRight(operatorAccount, authorizationv1.ResourceAttributes{Verb: "watch", Resource: "secrets"})
	}
	for _, namespace := range watched {
		o.serve(namespace)
	}
	o.operator = testenv.Start(t, o.options(operatorAccount, args...))
	return o
}

// serve gives the operator the rights of namespaced mode in a namespace.
func (o *operated) serve(namespace string) {
	o.t.Helper()
	o.allow(namespace, namespacedFiles...)
	o.awaitRight(operatorAccount, authorizationv1.ResourceAttributes{Verb: "watch", Resource: "secrets", Namespace: namespace})
	o.awaitRight(operatorAccount, authorizationv1.ResourceAttributes{Verb: "watch", Group: "theeye.dev", Resource: "applications"})
}

// newUnoperated starts auth, ingest and persistence, which trust an operator that does not run yet.
func newUnoperated(t *testing.T) *operated {
	t.Helper()
	cluster := testenv.Kubernetes(t)
	o := &operated{cluster: cluster, k8s: cluster.Client(t, v1alpha1.AddToScheme), home: cluster.Namespace(t)}
	o.system = &system{t: t, redis: testenv.OwnRedis(t), postgresURL: testenv.Postgres(t)}
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	o.client = &http.Client{Transport: testenv.Contract(t, transport), Timeout: patience}
	o.allow("", "service_accounts.yaml", "token_review_role.yaml", "token_review_role_binding.yaml",
		"access_review_role.yaml", "access_review_role_binding.yaml",
		"leader_election_role.yaml", "leader_election_role_binding.yaml")
	reviews := authorizationv1.ResourceAttributes{Verb: "create", Group: "authentication.k8s.io", Resource: "tokenreviews"}
	o.awaitRight("theeye-auth", reviews)
	o.awaitRight("theeye-persistence", reviews)
	o.awaitRight("theeye-persistence", accessReviews())
	o.awaitRight(operatorAccount, authorizationv1.ResourceAttributes{
		Verb: "update", Group: "coordination.k8s.io", Resource: "leases", Namespace: o.home, Name: operatorAccount,
	})
	o.auth = testenv.Start(t, o.trusting("auth"))
	o.ingest = testenv.Start(t, testenv.Options{Name: "ingest", Env: []string{"THEEYE_REDIS_URL=" + o.redis.URL()}})
	o.persistence = testenv.Start(t, o.trusting("persistence"))
	return o
}

// trusting says how auth and persistence run that let the operator in by its service account.
func (o *operated) trusting(service string, env ...string) testenv.Options {
	o.t.Helper()
	kubeconfig := o.cluster.Kubeconfig(o.t, o.cluster.As(o.t, o.home, "theeye-"+service))
	return testenv.Options{
		Name: service, Args: []string{"--operator-account", o.home + "/" + operatorAccount, "--kubeconfig", kubeconfig},
		Env: append([]string{
			"THEEYE_REDIS_URL=" + o.redis.URL(), "THEEYE_POSTGRES_URL=" + o.postgresURL, "THEEYE_REPLICA=persistence-0",
		}, env...),
	}
}

// options say how the operator runs as a service account; args come last, so that they win.
func (o *operated) options(account string, args ...string) testenv.Options {
	o.t.Helper()
	config := o.cluster.As(o.t, o.home, account)
	return testenv.Options{Name: "operator", OpsOnly: true, Args: append([]string{
		"--kubeconfig", o.cluster.Kubeconfig(o.t, config), "--namespaces", strings.Join(o.watched, ","),
		"--leader-election-namespace", o.home, "--events-url", o.ingest.URL + "/v1/events",
		"--auth-url", o.auth.URL, "--auth-token-file", o.tokenFile(account, authAudience),
		"--persistence-url", o.persistence.URL, "--persistence-token-file", o.tokenFile(account, persistenceAudience),
	}, args...)}
}

func (o *operated) tokenFile(account, audience string) string {
	o.t.Helper()
	path := filepath.Join(o.t.TempDir(), "token")
	if err := os.WriteFile(path, []byte(o.cluster.Token(o.t, o.home, account, audience)+"\n"), 0o600); err != nil {
		o.t.Fatal(err)
	}
	return path
}

// allow applies files of config/rbac to a namespace ("": to the one that they name), with home for theeye-system. Only
// the names of bindings of the whole cluster are made this test's own.
func (o *operated) allow(namespace string, files ...string) {
	o.t.Helper()
	for _, file := range files {
		text, err := os.ReadFile("../config/rbac/" + file)
		if err != nil {
			o.t.Fatal(err)
		}
		const binding = "kind: ClusterRoleBinding\nmetadata:\n  name: "
		adapted := strings.NewReplacer("theeye-system", o.home, binding, binding+o.home+"-").Replace(string(text))
		path := filepath.Join(o.t.TempDir(), filepath.Base(file))
		if err := os.WriteFile(path, []byte(adapted), 0o600); err != nil {
			o.t.Fatal(err)
		}
		args := []string{"apply", "--server-side", "--field-manager=test", "-f", path}
		if namespace != "" {
			args = append(args, "-n", namespace)
		}
		o.cluster.Kubectl(o.t, args...)
	}
}

// awaitRight waits until the API server's authorizer has heard of a binding: a request before that would be refused.
func (o *operated) awaitRight(account string, what authorizationv1.ResourceAttributes) {
	o.t.Helper()
	eventually(o.t, func() error {
		review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
			User: testenv.Username(o.home, account), ResourceAttributes: &what,
		}}
		if err := o.k8s.Create(o.t.Context(), review); err != nil {
			return err
		}
		if !review.Status.Allowed {
			return fmt.Errorf("%s may not %s %s", account, what.Verb, what.Resource)
		}
		return nil
	})
}

// create makes an Application with a spec in YAML.
func (o *operated) create(namespace, name, spec string) *v1alpha1.Application {
	o.t.Helper()
	app := typed(o.t, withSpec(o.t, namespace, name, spec))
	if err := o.k8s.Create(o.t.Context(), app); err != nil {
		o.t.Fatal(err)
	}
	return app
}

// patch merges JSON into an Application.
func (o *operated) patch(namespace, name, merge string) {
	o.t.Helper()
	o.cluster.Kubectl(o.t, "patch", "eyeapp", name, "-n", namespace, "--type=merge", "-p", merge)
}

// reads an Application's Secret, as its client app does.
func (o *operated) reads(namespace, name string) (application, error) {
	var secret corev1.Secret
	if err := o.k8s.Get(context.Background(), client.ObjectKey{Namespace: namespace, Name: name + "-theeye"}, &secret); err != nil {
		return application{}, err
	}
	if len(secret.OwnerReferences) != 1 || string(secret.Data["uri"]) != o.ingest.URL+"/v1/events" {
		return application{}, fmt.Errorf("the Secret has uri %s and owners %v", secret.Data["uri"], secret.OwnerReferences)
	}
	uid, err := uuid.Parse(string(secret.OwnerReferences[0].UID))
	return application{uid: uid, clientID: string(secret.Data["client-id"]), key: string(secret.Data["api-key"])}, err
}

// accepted waits until an event that is posted with what the Secret has is accepted, and returns that.
func (o *operated) accepted(namespace, name string) (a application) {
	o.t.Helper()
	eventually(o.t, func() (err error) {
		if a, err = o.reads(namespace, name); err != nil {
			return err
		}
		return o.answers(a, http.StatusAccepted)
	})
	return a
}

// answers posts one event and tells whether it got a status.
func (o *operated) answers(a application, want int) error {
	if status, body := o.post(a, basket(uuid.NewString())); status != want {
		return fmt.Errorf("an event is answered %d %s, want %d", status, body, want)
	}
	return nil
}

func basket(id string) string {
	return `{"id":"` + id + `","session_id":"s","category":"basket","name":"opened"}`
}

// await waits until a condition of an Application has a status and a reason ("": any).
func (o *operated) await(namespace, name, condition string, status metav1.ConditionStatus, reason string) *v1alpha1.Application {
	o.t.Helper()
	app := &v1alpha1.Application{}
	eventually(o.t, func() error {
		if err := o.k8s.Get(o.t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, app); err != nil {
			return err
		}
		c := meta.FindStatusCondition(app.Status.Conditions, condition)
		if c == nil || c.Status != status || reason != "" && c.Reason != reason {
			return fmt.Errorf("%s of %s is not %s %s: %+v", condition, name, status, reason, app.Status)
		}
		return nil
	})
	return app
}

// delete deletes an Application and returns when it is gone.
func (o *operated) delete(namespace, name string) {
	o.t.Helper()
	o.cluster.Kubectl(o.t, "delete", "eyeapp", name, "-n", namespace, "--timeout="+patience.String())
}

// keepsSecret checks that no service wrote a key down.
func (o *operated) keepsSecret(keys ...string) {
	o.t.Helper()
	for _, process := range []*testenv.Process{o.auth, o.ingest, o.persistence, o.operator} {
		log, err := os.ReadFile(process.Log)
		if err != nil || len(log) == 0 {
			o.t.Fatal(errors.Join(errors.New("a log is not to be read"), err))
		}
		for _, key := range keys {
			if strings.Contains(string(log), key) {
				o.t.Errorf("%s has a key", filepath.Base(process.Log))
			}
		}
	}
}

// asOperator sends a request with the operator's token, which must succeed.
func (o *operated) asOperator(method, target, audience string, body, answer any) {
	o.t.Helper()
	var content []byte
	if body != nil {
		var err error
		if content, err = json.Marshal(body); err != nil {
			o.t.Fatal(err)
		}
	}
	status, text := o.do(method, target, "Bearer "+o.cluster.Token(o.t, o.home, operatorAccount, audience), content)
	if status/100 != 2 {
		o.t.Fatalf("%s %s: %d %s", method, target, status, text)
	}
	if answer != nil {
		if err := json.Unmarshal(text, answer); err != nil {
			o.t.Fatal(err)
		}
	}
}

// count asks PostgreSQL for a number.
func (o *operated) count(sql string, args ...any) (n int) {
	o.t.Helper()
	conn, err := pgx.Connect(o.t.Context(), o.postgresURL)
	if err != nil {
		o.t.Fatal(err)
	}
	defer conn.Close(o.t.Context()) //nolint:errcheck // nothing is lost with it
	if err := conn.QueryRow(o.t.Context(), sql, args...).Scan(&n); err != nil {
		o.t.Fatalf("%s: %v", sql, err)
	}
	return n
}
