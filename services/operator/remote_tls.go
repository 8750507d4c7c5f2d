package operator

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/theeye-dev/theeye/services/internal/certificate"
)

// handshakeTimeout bounds a new connection with its handshake: a part of remoteTimeout.
const handshakeTimeout = 3 * time.Second

// Trust has a transport trust the certificate authorities of a file and no others. The file is read again when it
// changes, for new connections.
func Trust(transport *http.Transport, file string, log *slog.Logger) error {
	authorities, err := certificate.OpenAuthorities(file, log)
	if err != nil {
		return err
	}
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: authorities.Pool()} // behind a proxy
	transport.DialTLSContext = authorities.Dial(&tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
	}, handshakeTimeout)
	return nil
}

// unanswered is the failure of a request without an answer. A certificate that is not trusted is told apart: a person has
// to do something about it.
func (r *Remote) unanswered(cause error) error {
	why := certificate.Distrust(cause)
	if why == "" {
		return r.failure(cause)
	}
	return &remoteFailure{fmt.Sprintf("the certificate of %s is not trusted (%s); it is tried again", r.name, why), cause}
}
