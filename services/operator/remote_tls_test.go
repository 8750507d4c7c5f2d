package operator

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/theeye-dev/theeye/services/internal/certificate"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// secured is a service that shows an identity, and the operator's client of it.
type secured struct {
	*Remote
	transport *http.Transport
	proto     string // of the last request
}

func newSecured(t *testing.T, identity *testenv.Identity, caFile string) *secured {
	t.Helper()
	s := &secured{transport: http.DefaultTransport.(*http.Transport).Clone()} //nolint:forcetypeassert // it is one
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { s.proto = r.Proto }))
	pair, err := tls.LoadX509KeyPair(identity.CertFile, identity.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	server.TLS, server.EnableHTTP2 = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, true
	server.StartTLS()
	t.Cleanup(server.Close)
	if err := Trust(s.transport, caFile, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	s.Remote = NewRemote("auth", server.URL, func() (string, error) { return adminToken, nil }, s.transport)
	return s
}

// Why a certificate is not trusted stays in the condition however often it is tried: a breaker that opened would say
// something else every other time.
func TestUntrustedCertificates(t *testing.T) {
	t.Parallel()
	ca, other := testenv.NewAuthority(t), testenv.NewAuthority(t)
	for want, identity := range map[string]*testenv.Identity{
		"the certificate of auth is not trusted (no trusted authority has signed it); it is tried again":    other.Issue(t),
		"the certificate of auth is not trusted (it is for another name than the URL's); it is tried again": ca.IssueAs(t, func(c *x509.Certificate) { c.IPAddresses = nil }),
		"the certificate of auth is not trusted (it has expired, or is not valid yet); it is tried again": ca.IssueAs(t, func(c *x509.Certificate) {
			c.NotBefore = time.Now().Add(time.Hour / 2)
		}),
	} {
		s := newSecured(t, identity, ca.File)
		for range 3 {
			err := s.Ping(t.Context())
			if err == nil || message(err) != want || refused(err) || !strings.Contains(err.Error(), "x509") {
				t.Errorf("%v is told as %q, want %q", err, message(err), want)
			}
		}
		if s.proto != "" {
			t.Error("the token was sent")
		}
	}
}

// A file with a new authority is taken up by new connections, without a restart.
func TestAuthoritiesAreReadAgain(t *testing.T) {
	t.Parallel()
	ca, other := testenv.NewAuthority(t), testenv.NewAuthority(t)
	file := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.Link(other.File, file); err != nil {
		t.Fatal(err)
	}
	s := newSecured(t, ca.Issue(t), file)
	if err := s.Ping(t.Context()); certificate.Distrust(err) == "" {
		t.Fatalf("before: %v", err)
	}
	become := func(path string) {
		t.Helper()
		if err := os.Rename(path, file); err != nil {
			t.Fatal(err)
		}
	}
	await := func(what string, so func(error) bool) {
		t.Helper()
		tick, end := time.NewTicker(20*time.Millisecond), time.After(time.Minute)
		defer tick.Stop()
		for err := s.Ping(t.Context()); !so(err); err = s.Ping(t.Context()) {
			select {
			case <-tick.C:
				s.transport.CloseIdleConnections()
			case <-end:
				t.Fatalf("%s: in vain awaited; the last is %v", what, err)
			}
		}
	}
	become(ca.File)
	await("trust", func(err error) bool { return err == nil })
	if s.proto != "HTTP/2.0" {
		t.Errorf("asked over %s", s.proto)
	}
	become(other.File)
	await("distrust", func(err error) bool { return certificate.Distrust(err) != "" })
}
