package auth

import (
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/theeye-dev/theeye/services/internal/fault"
)

// formRequest is a request for a token.
func formRequest(body io.Reader, authorization string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/v1/token", body)
	r.Header.Set("Content-Type", formType)
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	return r
}

// FuzzForm: whatever comes as a form is refused as the client's fault, or read as the same parameters when it is written
// anew; and a credential is read once, or refused.
func FuzzForm(f *testing.F) {
	f.Add("grant_type=client_credentials&scope=events%3Aread+events:write", "Basic ZXllXzE6c2VjcmV0")
	f.Add("client_id=a&client_secret=b", "")
	f.Add("client_id=a&client_id=b&;&%zz", "Basic Og==")
	f.Add("=&&a&a=&é=\xff", "Bearer x")
	f.Add("client_id=x&client_secret=", "basic JTI1OiU=")
	f.Fuzz(func(t *testing.T, body, authorization string) {
		r := formRequest(strings.NewReader(body), authorization)
		form, err := readForm(r)
		if len(body) > maxForm && (err == nil || fault.ProblemOf(err).Code != fault.CodeBodyTooLarge) {
			t.Fatalf("%d bytes are read: %v", len(body), err)
		}
		if err != nil {
			if code := fault.ProblemOf(err).Code; code != fault.CodeParameter && code != fault.CodeBodyTooLarge {
				t.Fatalf("refused with %v", err)
			}
			return
		}
		again := url.Values{}
		for name, value := range form {
			again.Set(name, value)
		}
		if written := again.Encode(); len(written) <= maxForm {
			if same, err := readForm(formRequest(strings.NewReader(written), "")); err != nil || !maps.Equal(form, same) {
				t.Fatalf("%q reads %q, and anew %q, %v", body, form, same, err)
			}
		}
		switch c, err := credentialOf(r, form); {
		case err != nil:
			if code := fault.ProblemOf(err).Code; !slices.Contains([]fault.Code{fault.CodeParameter, fault.CodeUnauthenticated}, code) {
				t.Fatalf("refused with %v", err)
			}
		case form[paramSecret] != "" && c != shown{form[paramID], form[paramSecret]}:
			t.Fatalf("of %q and %q %+v is read", body, authorization, c)
		}
	})
}

// TestFormThatIsCutOff is not told as one that came too slowly.
func TestFormThatIsCutOff(t *testing.T) {
	t.Parallel()
	_, err := readForm(formRequest(iotest.ErrReader(io.ErrUnexpectedEOF), ""))
	if p := fault.ProblemOf(err); p.Code != fault.CodeMalformed || p.Status != http.StatusBadRequest {
		t.Errorf("refused with %v", err)
	}
}
