package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/theeye-dev/theeye/services/operator/install"
)

// try is the errand that goes the whole way once.
type try struct {
	site
	name           string
	ingestURL      string
	persistenceURL string
	authURL        string
	caFiles        names
	timeout        time.Duration
}

func (o *try) register(fs *flag.FlagSet) {
	o.site.register(fs, "the Application, one that the operator serves")
	fs.StringVar(&o.name, "name", "theeye-try", "`name` of the Application that is made, and deleted again")
	fs.StringVar(&o.ingestURL, "ingest-url", "", "base `URL` of ingest; by default events are posted where the Application's Secret says")
	fs.StringVar(&o.persistenceURL, "persistence-url", "http://theeye-persistence:8082", "base `URL` of persistence")
	fs.StringVar(&o.authURL, "auth-url", "", "base `URL` of auth, where an access token is got; none: none is tried")
	fs.Var(&o.caFiles, "ca-file", "`paths` of certificates in PEM to trust ingest, persistence and auth by, with commas; none: those that the system trusts")
	fs.DurationVar(&o.timeout, "timeout", 2*time.Minute, "`time` for all of it")
}

func (o *try) validate() []error {
	errs := []error{named("name", o.name)}
	if o.ingestURL != "" && !absolute(o.ingestURL) {
		errs = append(errs, errors.New("--ingest-url must be an http or https URL"))
	}
	if o.authURL != "" && !absolute(o.authURL) {
		errs = append(errs, errors.New("--auth-url must be an http or https URL"))
	}
	if !absolute(o.persistenceURL) {
		errs = append(errs, errors.New("--persistence-url must be an http or https URL"))
	}
	if o.timeout <= 0 {
		errs = append(errs, errors.New("--timeout must be above 0"))
	}
	return errs
}

func (o *try) run(ctx context.Context, c client.Client, p *install.Progress) error {
	asking, err := o.asker()
	if err != nil {
		return err
	}
	t := &install.Trial{
		Client: c, Application: client.ObjectKey{Namespace: o.namespace, Name: o.name}, IngestURL: o.ingestURL,
		PersistenceURL: o.persistenceURL, AuthURL: o.authURL, HTTP: asking, Timeout: o.timeout, Progress: p,
	}
	return t.Run(ctx)
}

// asker asks ingest, persistence and auth.
func (o *try) asker() (*http.Client, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone() //nolint:forcetypeassert // it is one
	if len(o.caFiles) > 0 {
		trusted, err := trust(o.caFiles)
		if err != nil {
			return nil, err
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12}
	}
	return &http.Client{Transport: transport}, nil
}

// trust reads certificates.
func trust(paths []string) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read --ca-file: %w", err)
		}
		if !pool.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("read --ca-file: no certificate in %s", path)
		}
	}
	return pool, nil
}
