package ops

import (
	"cmp"
	"crypto/tls"
	"errors"
	"flag"
	"net/http"
	"time"

	"github.com/theeye-dev/theeye/services/internal/certificate"
	"github.com/theeye-dev/theeye/services/internal/kit"
)

// Serving says where and how a process serves HTTP: the flags that all processes share.
type Serving struct {
	Public            string // address; "": there is no public port
	Operations        string // address
	CertFile, KeyFile string // of both ports; "": no TLS
	DrainDelay        time.Duration
	Connections       int     // to the public port at most; 0: DefaultConnections
	TrustedProxies    Proxies // whose X-Forwarded-For is believed
}

// maxDrainDelay is less than anybody's patience with a process that was told to stop.
const maxDrainDelay = 10 * time.Minute

// Register defines --listen, --max-connections, --drain-delay and --trusted-proxies for a process with a public port (its default address, and what is served
// there), and for all --ops-listen, --tls-cert-file and --tls-private-key-file.
func (s *Serving) Register(fs *flag.FlagSet, public, served, operations string) {
	if public != "" {
		fs.StringVar(&s.Public, "listen", public, served)
		fs.IntVar(&s.Connections, "max-connections", DefaultConnections, "`number` of connections to the public port: beyond it those "+
			"are closed that have waited longest for a request; each takes 20 KiB")
		fs.DurationVar(&s.DrainDelay, "drain-delay", 0, "`time` that requests are still served after SIGTERM, while /readyz fails and "+
			"answers close their connections, so that load balancers and clients go elsewhere; a second signal ends it")
		fs.Var(&s.TrustedProxies, "trusted-proxies", "`networks` and addresses, with commas, of the proxies whose X-Forwarded-For "+
			"tells where a request comes from: failed authentication is limited by it")
	}
	fs.StringVar(&s.Operations, "ops-listen", operations, "operations `address`: /metrics, /healthz, /readyz, /debug/pprof")
	fs.StringVar(&s.CertFile, "tls-cert-file", "", "`path` of the certificate, with its chain, in PEM form: all ports then speak TLS "+
		"(1.2 or later); read again when it changes")
	fs.StringVar(&s.KeyFile, "tls-private-key-file", "", "`path` of the certificate's private key in PEM form")
}

// Validate refuses half a pair, and times that make no sense.
func (s *Serving) Validate() error {
	var errs []error
	if s.CertFile != "" && s.KeyFile == "" {
		errs = append(errs, errors.New("--tls-cert-file needs --tls-private-key-file"))
	}
	if s.KeyFile != "" && s.CertFile == "" {
		errs = append(errs, errors.New("--tls-private-key-file needs --tls-cert-file"))
	}
	if s.DrainDelay < 0 || s.DrainDelay > maxDrainDelay {
		errs = append(errs, errors.New("--drain-delay must be between 0s and "+maxDrainDelay.String()))
	}
	if s.Connections < 0 {
		errs = append(errs, errors.New("--max-connections must be at least 1"))
	}
	return errors.Join(errs...)
}

// Bind binds a process' ports: the public one, when it has one, with health beside what mux serves already, for load
// balancers ask the port they send requests to; and the one for operations.
func (s *Serving) Bind(t *Telemetry, mux *http.ServeMux, health Health) (*Ports, error) {
	var (
		secure *tls.Config
		err    error
	)
	if s.CertFile != "" {
		if secure, err = certificate.Server(s.CertFile, s.KeyFile, t.Log); err != nil {
			return nil, err
		}
	}
	if err := observe(t.Meter, health, secure); err != nil {
		return nil, err
	}
	p := &Ports{delay: s.DrainDelay, log: t.Log}
	health = append(Health{{Name: "draining", Quiet: true, Probe: p.probe}}, health...)
	if s.Public != "" {
		health.Register(mux, false)
		if p.Public, err = Listen("public", s.Public, secure, p.moving(kit.Exact(mux)), t.Log); err != nil {
			return nil, err
		}
		p.Public.server.ConnState = newConnections(cmp.Or(s.Connections, DefaultConnections)).changed
	}
	if p.Operations, err = Listen("ops", s.Operations, secure, t.Handler(health), t.Log); err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}
