package controlplane

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// probeTimeout bounds one question to a server that is starting.
const probeTimeout = 5 * time.Second

// probe asks servers whether they are ready.
type probe struct{ client *http.Client }

func newProbe(ca []byte, admin Pair) (probe, error) {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	identity, err := tls.X509KeyPair(admin.Certificate, admin.Key)
	if err != nil {
		return probe{}, fmt.Errorf("read certificate: %w", err)
	}
	return probe{client: &http.Client{Timeout: probeTimeout, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{identity}, MinVersion: tls.VersionTLS12},
	}}}, nil
}

// ask answers nil when a URL answers 200.
func (p probe) ask(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	response, err := p.client.Do(request)
	if err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	defer response.Body.Close() //nolint:errcheck // only read
	body, _ := io.ReadAll(response.Body)
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %d: %s", url, response.StatusCode, strings.TrimSpace(string(body)))
	}
	return nil
}
