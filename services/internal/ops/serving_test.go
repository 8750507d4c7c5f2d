package ops

import (
	"crypto/tls"
	"errors"
	"flag"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric/noop"

	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// bind binds the ports of a process that answers every path with its protocol.
func bind(t *testing.T, serving Serving) *Ports {
	t.Helper()
	serving.Public, serving.Operations = "127.0.0.1:0", "127.0.0.1:0"
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, r.Proto)
	})
	own := Health{{Name: "own", Probe: noFault}}
	ports, err := serving.Bind(&Telemetry{Log: slog.New(slog.DiscardHandler), Meter: noop.Meter{}, Metrics: http.NotFoundHandler()}, mux, own)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*Server{ports.Public, ports.Operations} {
		ended := make(chan error, 1)
		go func() { ended <- s.Run() }()
		t.Cleanup(func() {
			s.Stop(nil)
			if err := receive(t, "the end of serving", ended); err != nil {
				t.Error(err)
			}
		})
	}
	return ports
}

// TestBothPortsSpeakTLS and nothing else, and show a new certificate without a restart.
func TestBothPortsSpeakTLS(t *testing.T) {
	t.Parallel()
	ca := testenv.NewAuthority(t)
	first, second := ca.Issue(t), ca.Issue(t)
	ports := bind(t, Serving{CertFile: first.CertFile, KeyFile: first.KeyFile})
	client := ca.Client(t)
	for _, s := range []*Server{ports.Public, ports.Operations} {
		if got := get(t, client, "https://"+s.Addr()+"/readyz"); got.status != http.StatusOK || got.proto != 2 || got.serial.Cmp(first.Serial) != 0 {
			t.Errorf("answers %+v", got)
		}
		old := &tls.Config{RootCAs: ca.Pool, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
		if conn, err := (&tls.Dialer{Config: old}).DialContext(t.Context(), "tcp", s.Addr()); err == nil {
			_ = conn.Close()
			t.Error("TLS 1.1 is spoken")
		}
		if got := get(t, http.DefaultClient, "http://"+s.Addr()+"/readyz"); got.status != http.StatusBadRequest {
			t.Errorf("plain HTTP is answered %d", got.status)
		}
	}
	for from, to := range map[string]string{second.CertFile: first.CertFile, second.KeyFile: first.KeyFile} {
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range []*Server{ports.Public, ports.Operations} {
		await(t, "the new certificate", func() bool {
			conn, err := tls.Dial("tcp", s.Addr(), &tls.Config{RootCAs: ca.Pool, MinVersion: tls.VersionTLS12})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close() //nolint:errcheck // only looked at
			return conn.ConnectionState().PeerCertificates[0].SerialNumber.Cmp(second.Serial) == 0
		})
	}
}

// reply is what a test looks at of an answer.
type reply struct {
	status, proto int
	closes        bool
	serial        *big.Int // of the certificate
}

// get asks, and reads the answer to its end.
func get(t *testing.T, client *http.Client, url string) reply {
	t.Helper()
	response, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
	r := reply{status: response.StatusCode, proto: response.ProtoMajor, closes: response.Close}
	if response.TLS != nil {
		r.serial = response.TLS.PeerCertificates[0].SerialNumber
	}
	return r
}

// await asks until something is so.
func await(t *testing.T, what string, so func() bool) {
	t.Helper()
	tick, end := time.NewTicker(5*time.Millisecond), time.After(patience)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("in vain awaited: %s", what)
		}
	}
}

func TestServingFlags(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		says string // "": it is fine
	}{
		{nil, ""},
		{[]string{"--tls-cert-file=c", "--tls-private-key-file=k", "--drain-delay=5s"}, ""},
		{[]string{"--tls-cert-file=c"}, "--tls-cert-file needs --tls-private-key-file"},
		{[]string{"--tls-private-key-file=k"}, "--tls-private-key-file needs --tls-cert-file"},
		{[]string{"--drain-delay=-1s"}, "--drain-delay must be between 0s and 10m0s"},
		{[]string{"--drain-delay=11m"}, "--drain-delay must be between 0s and 10m0s"},
	} {
		var s Serving
		fs := flag.NewFlagSet("demo", flag.ContinueOnError)
		s.Register(fs, ":1", "`address` of all", ":2")
		if err := ParseFlags(fs, "serves", c.args); err != nil || s.Public != ":1" || s.Operations != ":2" {
			t.Errorf("%q: %v, %+v", c.args, err, s)
		}
		if err := s.Validate(); (err == nil) != (c.says == "") || err != nil && err.Error() != c.says {
			t.Errorf("%q: %v, want %q", c.args, err, c.says)
		}
	}
	var s Serving
	fs := flag.NewFlagSet("demo", flag.ContinueOnError)
	s.Register(fs, "", "", ":2")
	if fs.Lookup("listen") != nil || fs.Lookup("drain-delay") != nil || fs.Lookup("tls-cert-file") == nil {
		t.Error("a process without a public port has flags for one, or has not the others")
	}
}

// TestBindGivesBack what it bound when it cannot have all, and serves no port in the clear for want of a certificate.
func TestBindGivesBack(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close() //nolint:errcheck // the test's end
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	public := free.Addr().String()
	_ = free.Close()
	telemetry := &Telemetry{Log: slog.New(slog.DiscardHandler), Meter: noop.Meter{}, Metrics: http.NotFoundHandler()}
	if _, err := (&Serving{Public: public, Operations: taken.Addr().String()}).Bind(telemetry, http.NewServeMux(), nil); err == nil {
		t.Fatal("bound a port twice")
	}
	again, err := net.Listen("tcp", public)
	if err != nil {
		t.Fatalf("the public port is still bound: %v", err)
	}
	_ = again.Close()
	_, err = (&Serving{Public: public, Operations: "127.0.0.1:0", CertFile: "/nowhere/tls.crt", KeyFile: "/nowhere/tls.key"}).Bind(telemetry, http.NewServeMux(), nil)
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "/nowhere/tls.crt") {
		t.Errorf("without a certificate: %v", err)
	}
}
