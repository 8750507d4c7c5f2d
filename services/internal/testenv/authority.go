package testenv

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Authority is a certificate authority of a test.
type Authority struct {
	File string // its certificate, in PEM form
	Pool *x509.CertPool

	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// Identity is a certificate and its private key, in PEM files.
type Identity struct {
	CertFile, KeyFile string
	Authority         *Authority
	Serial            *big.Int
}

// NewAuthority makes an authority.
func NewAuthority(t testing.TB) *Authority {
	t.Helper()
	a := &Authority{File: filepath.Join(t.TempDir(), "ca.crt"), Pool: x509.NewCertPool(), key: newKey(t)}
	template := template("authority of " + t.Name())
	template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	der := sign(t, template, template, &a.key.PublicKey, a.key)
	var err error
	if a.certificate, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.Pool.AddCert(a.certificate)
	write(t, a.File, "CERTIFICATE", der)
	return a
}

// Issue makes an identity for 127.0.0.1, localhost and more names, in a directory of its own as tls.crt and tls.key.
func (a *Authority) Issue(t testing.TB, names ...string) *Identity {
	t.Helper()
	return a.issue(t, t.TempDir(), func(c *x509.Certificate) { c.DNSNames = append(c.DNSNames, names...) })
}

// IssueAs is Issue for a certificate that is changed before it is signed: other names, or other times.
func (a *Authority) IssueAs(t testing.TB, change func(*x509.Certificate)) *Identity {
	t.Helper()
	return a.issue(t, t.TempDir(), change)
}

func (a *Authority) issue(t testing.TB, dir string, change func(*x509.Certificate)) *Identity {
	t.Helper()
	key, c := newKey(t), template("server")
	c.DNSNames, c.IPAddresses = []string{"localhost"}, []net.IP{net.IPv4(127, 0, 0, 1)}
	c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	change(c)
	i := &Identity{CertFile: filepath.Join(dir, "tls.crt"), KeyFile: filepath.Join(dir, "tls.key"), Authority: a, Serial: c.SerialNumber}
	write(t, i.CertFile, "CERTIFICATE", sign(t, c, a.certificate, &key.PublicKey, a.key))
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, i.KeyFile, "PRIVATE KEY", der)
	return i
}

// Client returns an HTTP client that trusts the authority and no other.
func (a *Authority) Client(t testing.TB) *http.Client {
	t.Helper()
	transport := http.DefaultTransport.(*http.Transport).Clone() //nolint:forcetypeassert // it is one
	transport.TLSClientConfig.RootCAs = a.Pool
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: startTimeout}
}

// validity is longer than any test, on both sides: clocks differ.
const validity = time.Hour

func template(name string) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<62)) // crypto/rand does not fail
	return &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-validity), NotAfter: time.Now().Add(validity),
	}
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sign(t testing.TB, c, by *x509.Certificate, public *ecdsa.PublicKey, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, c, by, public, key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func write(t testing.TB, path, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}
