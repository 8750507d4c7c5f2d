package certificate

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"
)

// Authorities are those whose certificates a client trusts: all of a PEM file, and no others.
type Authorities struct{ pool *files[*x509.CertPool] }

// OpenAuthorities reads a file of certificates.
func OpenAuthorities(file string, log *slog.Logger) (*Authorities, error) {
	pool, err := open(log, func(contents [][]byte) (*x509.CertPool, error) {
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(contents[0]) {
			return nil, errors.New("there is no certificate in PEM form")
		}
		return pool, nil
	}, file)
	if err != nil {
		return nil, fmt.Errorf("read certificate authorities: %w", err)
	}
	return &Authorities{pool}, nil
}

// Pool returns the authorities as they are now.
func (a *Authorities) Pool() *x509.CertPool { return a.pool.get() }

// Dial returns a function that makes TLS connections by a configuration (nil: Go's own) and verifies them by the
// authorities as they are then. The timeout is for connection and handshake together. It verifies as crypto/tls does by
// itself: a VerifyConnection of ours would have to know that addresses have no server name.
func (a *Authorities) Dial(config *tls.Config, timeout time.Duration) func(ctx context.Context, network, address string) (net.Conn, error) {
	if config == nil {
		config = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		trusting := config.Clone()
		trusting.RootCAs = a.Pool()
		dialer := tls.Dialer{NetDialer: &net.Dialer{Timeout: timeout}, Config: trusting}
		return dialer.DialContext(ctx, network, address)
	}
}

// Distrust says in a few words, without names and addresses, why a certificate was refused: "" when that is not what
// went wrong.
func Distrust(err error) string {
	var (
		refused *tls.CertificateVerificationError
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
	)
	switch {
	case !errors.As(err, &refused):
		return ""
	case errors.As(err, &name):
		return "it is for another name than the URL's"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "it has expired, or is not valid yet"
	}
	return "no trusted authority has signed it"
}
