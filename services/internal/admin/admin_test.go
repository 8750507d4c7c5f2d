package admin_test

import (
	"net/http"
	"net/http/httptest"
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
