package kube

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/metric/noop"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/client-go/rest"

	"github.com/theeye-dev/theeye/services/internal/fault"
)

// scripted is an API server that answers as a test says, and what it was asked last.
type scripted struct {
	token  authenticationv1.TokenReview
	access authorizationv1.SubjectAccessReview

	code                        int
	tokenStatus, accessStatus   string
	tokenReviews, accessReviews int
}

func (s *scripted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	kind, group, status, into := "TokenReview", "authentication", s.tokenStatus, any(&s.token)
	if r.URL.Path == "/apis/authorization.k8s.io/v1/subjectaccessreviews" {
		kind, group, status, into = "SubjectAccessReview", "authorization", s.accessStatus, &s.access
		s.accessReviews++
	} else {
		s.tokenReviews++
	}
	if json.NewDecoder(r.Body).Decode(into) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	w.WriteHeader(s.code)
	fmt.Fprintf(w, `{"kind":%q,"apiVersion":"%s.k8s.io/v1","status":%s}`, kind, group, status)
}

func (s *scripted) people(t *testing.T) *People {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	client, err := NewPeopleClient(&rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	metrics, err := NewMetrics(noop.Meter{})
	if err != nil {
		t.Fatal(err)
	}
	return NewPeople(client, metrics, slog.New(slog.DiscardHandler), time.Now)
}

func identify(t *testing.T, p *People, token string) (*User, int) {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	user, err := p.Identify(t.Context(), r)
	if err != nil {
		return nil, fault.ProblemOf(err).Status
	}
	return user, http.StatusOK
}

// TestWholeUserIsAskedAbout: an authorizer may decide by anything that the authenticator has said.
func TestWholeUserIsAskedAbout(t *testing.T) {
	t.Parallel()
	s := &scripted{code: http.StatusCreated, accessStatus: `{"allowed":true}`, tokenStatus: `{"authenticated":true,"user":{
		"username":"jane","uid":"7","groups":["team","system:authenticated"],"extra":{"example.com/scopes":["a","b"]}}}`}
	p := s.people(t)
	user, status := identify(t, p, "ya29.opaque") // no JSON Web Token
	if status != http.StatusOK || user.Name != "jane" || s.token.Spec.Token != "ya29.opaque" || s.token.Spec.Audiences != nil {
		t.Fatalf("%d %+v, asked %+v", status, user, s.token.Spec)
	}
	permission := Permission{Verb: "get", Group: "theeye.dev", Resource: "applications", Subresource: "events", Namespace: "shop", Name: "web"}
	if err := p.Allow(t.Context(), user, permission); err != nil {
		t.Fatal(err)
	}
	want := authorizationv1.SubjectAccessReviewSpec{
		User: "jane", UID: "7", Groups: []string{"team", "system:authenticated"},
		Extra: map[string]authorizationv1.ExtraValue{"example.com/scopes": {"a", "b"}},
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Verb: "get", Group: "theeye.dev", Resource: "applications", Subresource: "events", Namespace: "shop", Name: "web",
		},
	}
	if diff := cmp.Diff(want, s.access.Spec); diff != "" {
		t.Error(diff)
	}
}

// TestAudienceOfPeople: a token that was made for TheEye is reviewed for TheEye, every other for the API server.
func TestAudienceOfPeople(t *testing.T) {
	t.Parallel()
	vouched := func(audience string) string {
		return fmt.Sprintf(`{"authenticated":true,"user":{"username":"jane"},"audiences":[%q]}`, audience)
	}
	for name, c := range map[string]struct {
		aud, status string
		asked       []string
		want        int
	}{
		"the API server's": {"https://kubernetes.default.svc", vouched("https://kubernetes.default.svc"), nil, 200},
		"of a client":      {"kubelogin", vouched("https://kubernetes.default.svc"), nil, 200},
		"TheEye's":         {AudiencePersistence, vouched(AudiencePersistence), []string{AudiencePersistence}, 200},
		"TheEye's, by an API server without audiences": {AudiencePersistence, `{"authenticated":true,"user":{"username":"jane"}}`, []string{AudiencePersistence}, 401},
		"of nobody":     {"x", `{"authenticated":true,"audiences":["x"]}`, nil, 401},
		"not vouched":   {"x", `{"user":{"username":"jane"},"audiences":["x"]}`, nil, 401},
		"said with it":  {"x", `{"error":"bad"}`, nil, 401},
		"of an ill one": {"x", `7`, nil, 503},
	} {
		s := &scripted{code: http.StatusCreated, tokenStatus: c.status}
		_, got := identify(t, s.people(t), webToken(fmt.Sprintf(`{"aud":[%q]}`, c.aud)))
		if got != c.want || !cmp.Equal(c.asked, s.token.Spec.Audiences) {
			t.Errorf("%s: %d, want %d, asked for %q", name, got, c.want, s.token.Spec.Audiences)
		}
	}
}

// TestAccessIsRefusedUnlessAllowed: whatever else an API server says, or does not say.
func TestAccessIsRefusedUnlessAllowed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		code   int
		status string
		want   int
	}{
		"allowed":             {201, `{"allowed":true}`, 200},
		"with an error":       {201, `{"allowed":true,"evaluationError":"a role is missing"}`, 200},
		"denied":              {201, `{"allowed":false,"denied":true}`, 403},
		"both":                {201, `{"allowed":true,"denied":true}`, 403},
		"an error":            {201, `{"evaluationError":"a role is missing"}`, 403},
		"nothing":             {201, `{}`, 403},
		"no review":           {201, `7`, 503},
		"out of order":        {500, `{}`, 503},
		"may not be asked":    {403, `{}`, 503},
		"knows not who I am":  {401, `{}`, 503},
		"too many questions":  {429, `{}`, 503},
		"no such API (older)": {404, `{}`, 503},
	} {
		s := &scripted{code: c.code, accessStatus: c.status}
		err := s.people(t).Allow(t.Context(), &User{Name: "jane"}, Permission{Verb: "list", Group: "theeye.dev", Resource: "applications", Subresource: "events"})
		got := http.StatusOK
		if err != nil {
			got = fault.ProblemOf(err).Status
		}
		if got != c.want {
			t.Errorf("%s: %d, want %d: %v", name, got, c.want, err)
		}
	}
}
