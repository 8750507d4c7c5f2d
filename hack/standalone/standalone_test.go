package standalone_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/theeye-dev/theeye/api/apikey"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/api/v1alpha1"
	"github.com/theeye-dev/theeye/hack/standalone"
)

// header begins every manifest of these tests.
const header = "apiVersion: theeye.dev/v1alpha1\nkind: Application\n"

func TestSample(t *testing.T) {
	t.Parallel()
	f, err := os.Open("../../config/samples/application.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // only read
	applications, err := standalone.Read(f)
	if err != nil || len(applications) != 1 {
		t.Fatalf("got %d applications, %v", len(applications), err)
	}
	if applications[0].Spec.Limits != nil {
		t.Error("the sample has limits: it must take any load")
	}
}

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ manifest, want string }{
		"unknown field":    {header + "metadata: {name: a}\nspec: {eventTypes: [{category: c, name: x, shema: {}}]}", `unknown field "spec.eventTypes[0].shema"`},
		"other case":       {header + "metadata: {name: a}\nspec: {Retention: 1h}", `unknown field "spec.Retention"`},
		"repeated field":   {header + "metadata: {name: a}\nspec: {suspended: true, suspended: false}", `"suspended" already set`},
		"other kind":       {"apiVersion: v1\nkind: Secret\nmetadata: {name: a}", `"v1" and "Secret"`},
		"no name":          {header + "spec: {}", "metadata.name"},
		"bad namespace":    {header + "metadata: {name: a, namespace: A/b}", "metadata.namespace"},
		"faulty policy":    {header + "metadata: {name: a}\nspec: {timestamps: {maxFuture: 48h}}", "timestamps.maxFuture"},
		"wrong type":       {header + "metadata: {name: a}\nspec: {suspended: 3}", "suspended"},
		"second of two":    {header + "metadata: {name: a}\n---\n" + header + "metadata: {nam: a}", "document 2"},
		"not YAML at all":  {"\tx: [", "YAML"},
		"faulty duration":  {header + "metadata: {name: a}\nspec: {retention: 90d}", "90d"},
		"list as document": {"- " + strings.ReplaceAll(header, "\n", "\n  "), "Application"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := standalone.Read(strings.NewReader(test.manifest))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an error with %s", err, test.want)
			}
		})
	}
}

func TestReadTakesSeveralDocuments(t *testing.T) {
	t.Parallel()
	manifest := "# nothing but a comment\n---\n" + header + "metadata: {name: a}\n---\n" + header + "metadata: {name: b, namespace: team}\n---\n"
	applications, err := standalone.Read(strings.NewReader(manifest))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, a := range applications {
		got = append(got, a.Namespace+"/"+a.Name)
	}
	if want := []string{"default/a", "team/b"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestUIDNeverChanges(t *testing.T) {
	t.Parallel()
	if got := standalone.UID("shop", "web-shop").String(); got != "a86a7f72-88ed-5a2c-a9fb-20bdd117caaf" {
		t.Errorf("got %s: stored events belong to the UIDs of the past", got)
	}
}

func TestApplyTwiceChangesNothing(t *testing.T) {
	t.Parallel()
	auth, bodies := fakeAuth(t)
	application := read(t, header+"metadata: {name: web-shop, namespace: shop}\nspec: {displayName: Web shop, retention: 2160h}")
	keys := standalone.Keys(t.TempDir())
	first, err := auth.ApplyKept(t.Context(), application, keys)
	if err != nil {
		t.Fatal(err)
	}
	want := bodies()
	second, err := auth.ApplyKept(t.Context(), application, keys)
	if err != nil {
		t.Fatal(err)
	}
	if first != second || !maps.Equal(want, bodies()) {
		t.Errorf("applied again: %v and %v, bodies %v and %v", first, second, want, bodies())
	}
	path := "/v1/applications/" + first.UID.String()
	var credential registry.DesiredCredential
	if err := json.Unmarshal([]byte(want[path+"/credentials/1"]), &credential); err != nil {
		t.Fatal(err)
	}
	if credential.SHA256 != registry.Digest(apikey.HashOf(first.APIKey)) {
		t.Error("auth got another hash than that of the key")
	}
	var desired registry.DesiredApplication
	if err := json.Unmarshal([]byte(want[path]), &desired); err != nil {
		t.Fatal(err)
	}
	if desired.Name != "web-shop" || desired.Namespace != "shop" || desired.Policy.DisplayName != "Web shop" {
		t.Errorf("auth got %+v", desired)
	}
}

func TestApplySaysWhatAuthAnswered(t *testing.T) {
	t.Parallel()
	auth, _ := fakeAuth(t)
	auth.Token = "wrong"
	_, err := auth.ApplyKept(t.Context(), read(t, header+"metadata: {name: a}"), standalone.Keys(t.TempDir()))
	if err == nil || !strings.Contains(err.Error(), "401") || !strings.Contains(err.Error(), "no admin") {
		t.Errorf("got %v", err)
	}
}

func TestApplyRefusesTheKeyOfAnother(t *testing.T) {
	t.Parallel()
	auth, bodies := fakeAuth(t)
	key := apikey.New("local", apikey.ClientID(standalone.UID("default", "b")), "1")
	if _, err := auth.Apply(t.Context(), read(t, header+"metadata: {name: a}"), key); err == nil || len(bodies()) > 0 {
		t.Errorf("got %v, and auth got %v", err, bodies())
	}
}

func read(t *testing.T, manifest string) *v1alpha1.Application {
	t.Helper()
	applications, err := standalone.Read(strings.NewReader(manifest))
	if err != nil {
		t.Fatal(err)
	}
	return &applications[0]
}

// fakeAuth keeps the bodies of PUT requests by path.
func fakeAuth(t *testing.T) (auth standalone.Auth, bodies func() map[string]string) {
	t.Helper()
	var mutex sync.Mutex
	kept := map[string]string{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer token" {
			http.Error(w, "no admin", http.StatusUnauthorized)
			return
		}
		var body json.RawMessage
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || r.Method != http.MethodPut {
			http.Error(w, "no PUT of JSON", http.StatusBadRequest)
			return
		}
		mutex.Lock()
		defer mutex.Unlock()
		kept[r.URL.Path] = string(body)
	}))
	t.Cleanup(server.Close)
	return standalone.Auth{URL: server.URL + "/", Token: "token"}, func() map[string]string {
		mutex.Lock()
		defer mutex.Unlock()
		return maps.Clone(kept)
	}
}
