package install

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

const secretName = "theeye-passwords"

func (w *world) passwords(around ...interceptor.Funcs) error {
	w.t.Helper()
	return w.somePasswords(PasswordKeys(), around...)
}

func (w *world) somePasswords(keys []string, around ...interceptor.Funcs) error {
	w.t.Helper()
	return Passwords(w.t.Context(), w.client(around...), client.ObjectKey{Namespace: w.home, Name: secretName}, keys,
		map[string]string{"app.kubernetes.io/part-of": "theeye"}, w.progress())
}

// secret is what is stored now. No value of it may have been printed.
func (w *world) secret() *corev1.Secret {
	w.t.Helper()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.home, Name: secretName}}
	if err := w.get(secret); err != nil {
		w.t.Fatal(err)
	}
	for key, value := range secret.Data {
		printed := w.lines.String()
		if len(value) > 0 && (strings.Contains(printed, string(value)) || strings.Contains(printed, base64.StdEncoding.EncodeToString(value))) {
			w.t.Errorf("the value of %s was printed", key)
		}
	}
	return secret
}

// complete checks that all keys have passwords of their own.
func complete(t *testing.T, secret *corev1.Secret) {
	t.Helper()
	form := regexp.MustCompile(`^[0-9a-f]{64}$`)
	seen := map[string]string{}
	for _, key := range []string{
		"redis-admin", "redis-auth", "redis-ingest", "redis-persistence", "postgres-admin", "postgres-auth", "postgres-persistence",
		"signing-key-encryption",
	} {
		value := string(secret.Data[key])
		if !form.MatchString(value) {
			t.Errorf("the password of %s has %d characters, or wrong ones", key, len(value))
		}
		if other, taken := seen[value]; taken {
			t.Errorf("%s and %s have the same password", key, other)
		}
		seen[value] = key
	}
}

// The Secret is made when it is absent, and from then on it is as it is; a key that was lost comes back, alone.
func TestPasswordsAreMadeOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.grant(w.home, "passwords.yaml", secretName)
	if err := w.passwords(); err != nil {
		t.Fatal(err)
	}
	made := w.secret()
	complete(t, made)
	if len(made.Data) != 8 || made.Type != corev1.SecretTypeOpaque || made.Labels["app.kubernetes.io/part-of"] != "theeye" {
		t.Errorf("made a Secret of type %s, with %d keys and labels %v", made.Type, len(made.Data), made.Labels)
	}
	if err := w.passwords(); err != nil {
		t.Fatal(err)
	}
	if again := w.secret(); again.ResourceVersion != made.ResourceVersion {
		t.Error("the second run wrote the Secret")
	}

	damaged := made.DeepCopy()
	damaged.Data["foreign"] = []byte("its own")
	damaged.Data["redis-auth"] = []byte("chosen.by~a-person_1")
	delete(damaged.Data, "postgres-auth")
	delete(damaged.Data, "redis-ingest")
	delete(damaged.Data, "redis-admin") // as a release before it left the Secret
	if err := w.admin.Update(t.Context(), damaged); err != nil {
		t.Fatal(err)
	}
	if err := w.passwords(); err != nil {
		t.Fatal(err)
	}
	repaired := w.secret()
	for key, was := range damaged.Data {
		if string(repaired.Data[key]) != string(was) {
			t.Errorf("%s was changed", key)
		}
	}
	if len(repaired.Data) != 9 || string(repaired.Data["postgres-auth"]) == string(made.Data["postgres-auth"]) {
		t.Errorf("%d keys are there", len(repaired.Data))
	}
	repaired.Data["redis-auth"] = made.Data["redis-auth"]
	complete(t, repaired)
	w.lines.await(t, "added to Secret "+w.home+"/"+secretName+": redis-admin, redis-ingest, postgres-auth")
	w.judge()
}

// The Secret of a release that signed no tokens gets the key that auth now needs, and keeps the passwords that its stores
// know; a release with stores of one's own has that key alone.
func TestPasswordsOfTheReleaseBefore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.grant(w.home, "passwords.yaml", secretName)
	before := newPasswords(slices.DeleteFunc(PasswordKeys(), func(key string) bool { return key == SigningKey }))
	w.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.home, Name: secretName}, Data: before})
	if err := w.passwords(); err != nil {
		t.Fatal(err)
	}
	upgraded := w.secret()
	complete(t, upgraded)
	for key, was := range before {
		if !bytes.Equal(upgraded.Data[key], was) {
			t.Errorf("%s was changed", key)
		}
	}
	w.lines.await(t, "added to Secret "+w.home+"/"+secretName+": signing-key-encryption")

	if err := w.admin.Delete(t.Context(), upgraded); err != nil {
		t.Fatal(err)
	}
	if err := w.somePasswords([]string{SigningKey}); err != nil {
		t.Fatal(err)
	}
	if alone := w.secret(); len(alone.Data) != 1 || len(alone.Data[SigningKey]) != 2*passwordBytes {
		t.Errorf("made a Secret with %d keys", len(alone.Data))
	}
	w.judge()
}

// together makes two runs see the same Secret before either writes. What the API server took of them is kept.
type together struct {
	mu    sync.Mutex
	both  sync.WaitGroup
	taken []map[string][]byte
}

// one are the requests of one run. Only its first look waits for the other's.
func (g *together) one() interceptor.Funcs {
	var first sync.Once
	return interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			err := c.Get(ctx, key, o, opts...)
			first.Do(func() { g.both.Done(); g.both.Wait() })
			return err
		},
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			data := o.(*corev1.Secret).DeepCopy().Data
			return g.note(c.Create(ctx, o, opts...), data)
		},
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			var sent struct{ Data map[string][]byte }
			text, err := p.Data(o)
			if err := json.Unmarshal(text, &sent); err != nil {
				return err
			}
			if err != nil {
				return err
			}
			return g.note(c.Patch(ctx, o, p, opts...), sent.Data)
		},
	}
}

func (g *together) note(err error, data map[string][]byte) error {
	if err == nil {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.taken = append(g.taken, data)
	}
	return err
}

// Of two runs at once one writes, and the other leaves it at that: else what the first one's reader has is no password.
func TestPasswordsOfTwoRuns(t *testing.T) {
	t.Parallel()
	for name, there := range map[string][]string{"absent": nil, "incomplete": {"redis-auth", "postgres-admin"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.grant(w.home, "passwords.yaml", secretName)
			want := newPasswords(there)
			if there != nil {
				w.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.home, Name: secretName}, Data: want})
			}
			g := &together{}
			g.both.Add(2)
			runs := []*running{
				w.start(func(context.Context) error { return w.passwords(g.one()) }),
				w.start(func(context.Context) error { return w.passwords(g.one()) }),
			}
			for _, run := range runs {
				if err := run.end(); err != nil {
					t.Error(err)
				}
			}
			if len(g.taken) != 1 {
				t.Fatalf("the Secret was written %d times", len(g.taken))
			}
			maps.Copy(want, g.taken[0])
			secret := w.secret()
			complete(t, secret)
			if !cmp.Equal(want, secret.Data) {
				t.Error("the Secret has other values than were written first")
			}
			w.lines.await(t, "was just changed by somebody else")
			w.lines.await(t, "has all passwords: nothing to do")
		})
	}
}

// A password that could not stand in a URL is refused by its key, and stays as it is.
func TestPasswordsThatNobodyCanUse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.grant(w.home, "passwords.yaml", secretName)
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.home, Name: secretName}, Data: map[string][]byte{
		"redis-auth": []byte("with a\x00zero"), "redis-ingest": []byte("p@ssword:/1"), "postgres-auth": []byte("trailing\n"), "postgres-admin": {},
		"redis-persistence": []byte("fine"), "foreign": []byte("a b"), "signing-key-encryption": []byte("thirty-one, and spaces that are \n"),
	}}
	w.create(secret)
	err := w.passwords()
	if err == nil {
		t.Fatal("no error")
	}
	for _, key := range []string{"redis-auth", "redis-ingest", "postgres-auth", "postgres-admin", "signing-key-encryption"} {
		if !strings.Contains(err.Error(), "the value of "+key+" ") {
			t.Errorf("%s is not named: %v", key, err)
		}
	}
	for _, text := range []string{"redis-persistence", "foreign", "p@ss", "trailing", "zero", "thirty"} {
		if strings.Contains(err.Error(), text) {
			t.Errorf("the error has %q: %v", text, err)
		}
	}
	if now := w.secret(); now.ResourceVersion != secret.ResourceVersion {
		t.Error("the Secret was written")
	}
}

// Whoever may not read the Secret is told so.
func TestPasswordsWithoutRights(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.grant(w.home, "passwords.yaml", "another")
	if err := w.passwords(); err == nil || !strings.Contains(err.Error(), "read Secret "+w.home+"/"+secretName) || !strings.Contains(err.Error(), "forbidden") {
		t.Errorf("it ended with %v", err)
	}
}
