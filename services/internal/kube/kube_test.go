package kube

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric/noop"
	authenticationv1 "k8s.io/api/authentication/v1"
	"k8s.io/client-go/rest"

	"github.com/theeye-dev/theeye/services/internal/admin"
	"github.com/theeye-dev/theeye/services/internal/fault"
)

// webToken makes a token with a payload, which no key has signed.
func webToken(payload string) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"none"}`)) + "." + encode([]byte(payload)) + ".AAAA"
}

// TestAnswersOfAnAPIServer are those that a real one gives only when something is wrong with it.
func TestAnswersOfAnAPIServer(t *testing.T) {
	t.Parallel()
	token := webToken(`{"aud":"theeye-auth"}`)
	vouched := `{"authenticated":true,"user":{"username":"system:serviceaccount:n:a"},"audiences":["theeye-auth"]}`
	for name, c := range map[string]struct {
		code   int
		status string
		want   int
	}{
		"vouched for":          {201, vouched, 200},
		"no audiences":         {201, `{"authenticated":true,"user":{"username":"system:serviceaccount:n:a"}}`, 401},
		"another audience":     {201, `{"authenticated":true,"user":{"username":"system:serviceaccount:n:a"},"audiences":["api"]}`, 401},
		"not authenticated":    {201, `{"user":{"username":"system:serviceaccount:n:a"},"audiences":["theeye-auth"]}`, 401},
		"error with the token": {201, `{"error":"bad token ` + token + `"}`, 401},
		"a person":             {201, `{"authenticated":true,"user":{"username":"n:a"},"audiences":["theeye-auth"]}`, 403},
		"nobody":               {201, `{"authenticated":true,"audiences":["theeye-auth"]}`, 403},
		"unauthorized":         {401, `{}`, 503},
		"no answer":            {500, `{}`, 503},
		"no review":            {201, `7`, 503},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				var asked authenticationv1.TokenReview
				if err := json.NewDecoder(r.Body).Decode(&asked); err != nil || asked.Spec.Token != token || len(asked.Spec.Audiences) != 1 {
					t.Errorf("asked %+v, %v", asked.Spec, err)
				}
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(c.code)
				fmt.Fprintf(w, `{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","status":%s}`, c.status)
			}))
			t.Cleanup(server.Close)
			err := authorize(t, &rest.Config{Host: server.URL}, token)
			got := http.StatusOK
			if err != nil {
				got = fault.ProblemOf(err).Status
			}
			if got != c.want || err != nil && strings.Contains(err.Error(), token) {
				t.Errorf("%d, want %d: %v", got, c.want, err)
			}
		})
	}
}

func authorize(t *testing.T, config *rest.Config, token string) error {
	t.Helper()
	client, err := NewClient(config)
	if err != nil {
		t.Fatal(err)
	}
	metrics, err := NewMetrics(noop.Meter{})
	if err != nil {
		t.Fatal(err)
	}
	reviewer := NewReviewer(client, AudienceAuth, Accounts{userPrefix + "n:a"}, metrics, slog.New(slog.DiscardHandler), time.Now)
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	return reviewer.Authorize(t.Context(), r)
}

func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	m := newMemory[int](3)
	no := errors.New("no")
	keep := func(n int, until time.Duration) {
		m.keep(fmt.Sprint(n), answer[int]{n, no, now.Add(until)}, now)
	}
	keep(1, time.Second)
	keep(2, time.Hour)
	keep(3, time.Hour)
	keep(9, 0) // over already
	now = now.Add(2 * time.Second)
	keep(4, time.Hour) // takes the place of the one that is over
	for _, n := range []int{2, 3, 4} {
		if found, ok := m.find(fmt.Sprint(n), now); !ok || found.value != n || !errors.Is(found.err, no) {
			t.Errorf("%d is forgotten", n)
		}
	}
	for n := range 100 {
		keep(10+n, time.Hour)
		if len(m.entries) > 3 {
			t.Fatalf("%d entries", len(m.entries))
		}
		if _, ok := m.find(fmt.Sprint(10+n), now); !ok {
			t.Fatalf("the newest is forgotten")
		}
	}
}

func TestClaims(t *testing.T) {
	t.Parallel()
	for payload, want := range map[string]int64{
		`{"aud":"theeye-auth"}`:                        0,
		`{"aud":["a","theeye-auth"],"exp":1700000000}`: 1700000000,
		`{"aud":["theeye-auth"],"exp":1700000000.9}`:   1700000000,
		`{"aud":["theeye-auth"],"exp":1e300}`:          0,
		`{"aud":["theeye-auth"],"exp":-5}`:             0,
		`{"aud":["theeye-auth"],"exp":"soon"}`:         -1,
		`{"aud":["theeye-auth-2"]}`:                    -1,
		`{"aud":[]}`:                                   -1,
		`{"aud":7}`:                                    -1,
		`{}`:                                           -1,
		`null`:                                         -1,
		`["theeye-auth"]`:                              -1,
	} {
		read, err := readClaims(webToken(payload), AudienceAuth)
		got := int64(0)
		if end := read.expiry(); err != nil {
			got = -1
		} else if !end.IsZero() {
			got = end.Unix()
		}
		if got != want {
			t.Errorf("%s: %d, want %d (%v)", payload, got, want, err)
		}
	}
}

func FuzzClaims(f *testing.F) {
	f.Add(webToken(`{"aud":["theeye-auth"],"exp":1700000000}`))
	f.Add("a.b.c")
	f.Fuzz(func(t *testing.T, token string) {
		c, err := readClaims(token, AudienceAuth)
		if err != nil && fault.ProblemOf(err).Status != http.StatusUnauthorized {
			t.Errorf("%v", err)
		}
		if end := c.expiry(); end.Year() > 9999 {
			t.Errorf("ends at %s", end)
		}
	})
}

func TestFlags(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                "",
		" ":               "",
		"theeye/operator": "system:serviceaccount:theeye:operator",
		"a/b, c/d.e":      "system:serviceaccount:a:b system:serviceaccount:c:d.e",
		"operator":        "fault",
		"a/":              "fault",
		"/a":              "fault",
		"a/b/c":           "fault",
		"a/b,":            "fault",
		"a:b/c":           "fault",
		"A/b":             "fault",
		"system:admin/x":  "fault",
	} {
		var flags Flags
		fs := flag.NewFlagSet("test", flag.ContinueOnError)
		flags.Register(fs)
		got := "fault"
		if err := fs.Set("operator-account", "before/this"); err != nil {
			t.Fatal(err)
		}
		if err := fs.Set("operator-account", text); err == nil {
			got = strings.Join(flags.Accounts, " ")
		}
		if got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestOperator(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "") // tests may run in a pod
	logger := slog.New(slog.DiscardHandler)
	var none Flags
	who, err := none.Operator(AudienceAuth, noop.Meter{}, logger)
	if who != (admin.Nobody{}) || err != nil {
		t.Errorf("of no account: %v, %v", who, err)
	}
	missing := Flags{Accounts: Accounts{userPrefix + "n:a"}, Kubeconfig: t.TempDir() + "/missing"}
	if _, err := missing.Operator(AudienceAuth, noop.Meter{}, logger); err == nil || !strings.Contains(err.Error(), "read kubeconfig") {
		t.Errorf("of a missing kubeconfig: %v", err)
	}
	outside := Flags{Accounts: missing.Accounts}
	if _, err := outside.Operator(AudienceAuth, noop.Meter{}, logger); err == nil || !strings.Contains(err.Error(), "--kubeconfig") {
		t.Errorf("outside a cluster: %v", err)
	}
}

func TestAccessOfFlags(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "") // tests may run in a pod
	missing := t.TempDir() + "/missing"
	for name, c := range map[string]struct {
		Flags
		says string
	}{
		"not registered":     {Flags{}, ""},
		"off":                {Flags{Access: accessOff, Kubeconfig: missing}, ""},
		"by itself":          {Flags{Access: accessAuto}, ""},
		"with a kubeconfig":  {Flags{Access: accessAuto, Kubeconfig: missing}, "read kubeconfig"},
		"on, and no cluster": {Flags{Access: accessOn}, "--kubeconfig"},
	} {
		people, err := c.People(noop.Meter{}, slog.New(slog.DiscardHandler))
		if people != nil || (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, %v", name, people, err)
		}
		if err := c.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := (&Flags{Access: "yes"}).Validate(); err == nil {
		t.Error("another value is taken")
	}
}
