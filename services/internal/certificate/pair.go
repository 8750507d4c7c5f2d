package certificate

import (
	"crypto/tls"
	"fmt"
	"log/slog"
)

// Server returns how a server shows the certificate, with its chain, and the private key of two PEM files. Handshakes
// within about a second after a change still show the pair before.
func Server(certFile, keyFile string, log *slog.Logger) (*tls.Config, error) {
	pair, err := open(log, parsePair, certFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("read certificate and private key: %w", err)
	}
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return pair.get(), nil },
	}, nil
}

func parsePair(contents [][]byte) (*tls.Certificate, error) {
	pair, err := tls.X509KeyPair(contents[0], contents[1])
	return &pair, err
}
