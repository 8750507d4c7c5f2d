package admin_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/theeye-dev/theeye/services/internal/admin"
	"github.com/theeye-dev/theeye/services/internal/fault"
)

func TestStatic(t *testing.T) {
	t.Parallel()
	token, err := admin.Static("s3cret")
	if err != nil {
		t.Fatal(err)
	}
	for header, want := range map[string]int{
		"":                http.StatusUnauthorized,
		"Bearer":          http.StatusUnauthorized,
		"Bearer ":         http.StatusUnauthorized,
		"Bearer wrong":    http.StatusUnauthorized,
		"Bearer s3cretx":  http.StatusUnauthorized,
		"Basic s3cret":    http.StatusUnauthorized,
		"Bearer s3cret":   http.StatusOK,
		"bearer   s3cret": http.StatusOK,
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		if header != "" {
			r.Header.Set("Authorization", header)
		}
		got := http.StatusOK
		if err := token.Authorize(t.Context(), r); err != nil {
			got = fault.ProblemOf(err).Status
		}
		if got != want {
			t.Errorf("%q: status %d, want %d", header, got, want)
		}
	}
}

func TestStaticRefusesAnEmptyToken(t *testing.T) {
	t.Parallel()
	if _, err := admin.Static(""); err == nil {
		t.Fatal("an empty token was taken")
	}
}

// answer is an authorizer that always says the same.
type answer struct{ err error }

func (a answer) Authorize(context.Context, *http.Request) error { return a.err }

func TestAny(t *testing.T) {
	t.Parallel()
	unknown := answer{fault.New(fault.CodeUnauthenticated, "unknown")}
	strange := answer{fault.New(fault.CodeUnauthenticated, "strange")}
	denied, away := answer{fault.New(fault.CodeForbidden, "denied")}, answer{fault.New(fault.CodeUnavailable, "away")}
	bug, right, nobody := answer{errors.New("bug")}, answer{}, admin.Nobody{}
	for name, c := range map[string]struct {
		ways   []admin.Authorizer
		status int
		detail string
	}{
		"none":                  {nil, 401, "not known"},
		"nobody":                {[]admin.Authorizer{nobody, nobody}, 401, "not known"},
		"nobody and one":        {[]admin.Authorizer{nobody, right}, 200, ""},
		"one and nobody":        {[]admin.Authorizer{denied, nobody}, 403, "denied"},
		"nobody has no say":     {[]admin.Authorizer{unknown, nobody, strange}, 401, "unknown; strange"},
		"first":                 {[]admin.Authorizer{right, away}, 200, ""},
		"last":                  {[]admin.Authorizer{unknown, away, right}, 200, ""},
		"the same":              {[]admin.Authorizer{unknown, unknown}, 401, "unknown"},
		"known beats unknown":   {[]admin.Authorizer{unknown, denied}, 403, "denied"},
		"in either order":       {[]admin.Authorizer{denied, unknown}, 403, "denied"},
		"away beats unknown":    {[]admin.Authorizer{away, unknown}, 503, "away"},
		"away beats known":      {[]admin.Authorizer{denied, away}, 503, "away"},
		"a bug is always shown": {[]admin.Authorizer{away, bug, unknown}, 500, ""},
	} {
		err := admin.Any(c.ways...).Authorize(t.Context(), httptest.NewRequest(http.MethodGet, "/", nil))
		got := fault.Problem{Status: http.StatusOK}
		if err != nil {
			got = fault.ProblemOf(err)
		}
		if got.Status != c.status || !strings.Contains(got.Detail, c.detail) {
			t.Errorf("%s: %d %q, want %d %q", name, got.Status, got.Detail, c.status, c.detail)
		}
	}
}

func TestOptional(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Authorization", "Bearer ")
	if admin.Optional("").Authorize(t.Context(), r) == nil {
		t.Error("an empty token opens where there is none")
	}
	r.Header.Set("Authorization", "Bearer s3cret")
	if err := admin.Optional("s3cret").Authorize(t.Context(), r); err != nil {
		t.Error(err)
	}
	r.Header.Add("Authorization", "Bearer s3cret")
	if admin.Optional("s3cret").Authorize(t.Context(), r) == nil {
		t.Error("two headers are let in")
	}
}
