package main

import (
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/theeye-dev/theeye/api/apikey"
	"github.com/theeye-dev/theeye/services/internal/ops"
	"github.com/theeye-dev/theeye/services/operator"
)

const (
	// tokens is where the pod's projected service account tokens are mounted, one for each service.
	tokens = "/var/run/secrets/theeye/" //nolint:gosec // a path
	// ownNamespace has the pod's namespace.
	ownNamespace = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
)

// service is where another service is, and how the operator shows who it is.
type service struct{ url, tokenFile, caFile string }

func (s *service) register(fs *flag.FlagSet, name, port string) {
	fs.StringVar(&s.url, name+"-url", "http://theeye-"+name+":"+port, "base `URL` of "+name)
	fs.StringVar(&s.tokenFile, name+"-token-file", tokens+name+"/token",
		"`path` of the token for "+name+": a projected service account token of audience theeye-"+name+", or the admin token")
	fs.StringVar(&s.caFile, name+"-ca-file", "", "`path` of the certificate authorities in PEM form that are trusted with "+name+"'s "+
		"certificate, instead of the system's; read again when it changes")
}

// remote returns the client of the service.
func (s *service) remote(name string, log *slog.Logger) (*operator.Remote, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone() //nolint:forcetypeassert // it is one
	transport.MaxIdleConnsPerHost = maxConcurrency
	if s.caFile != "" {
		if err := operator.Trust(transport, s.caFile, log); err != nil {
			return nil, fmt.Errorf("trust %s: %w", name, err)
		}
	}
	return operator.NewRemote(name, strings.TrimSuffix(s.url, "/"), operator.TokenFile(s.tokenFile, time.Now), transport), nil
}

// remotes are the clients of auth and persistence.
func (c *options) remotes(log *slog.Logger) (a operator.Auth, p operator.Persistence, err error) {
	if a.Remote, err = c.auth.remote("auth", log); err != nil {
		return a, p, err
	}
	p.Remote, err = c.persistence.remote("persistence", log)
	return a, p, err
}

type options struct {
	serving           ops.Serving
	kubeconfig        string
	namespaces        names
	cluster           string
	auth, persistence service
	eventsURL         string
	tokenURL          string
	keyEnv            string
	concurrency       int
	leaderElect       bool
	leaseIn           string
	lease             string
	revokeTimeout     time.Duration
	usageInterval     time.Duration
	compareInterval   time.Duration
	pollInterval      time.Duration
	log               ops.LogLevel
}

// clusterIDs are those that auth takes.
var clusterIDs = regexp.MustCompile(`^[-a-z0-9]{1,63}$`)

// maxConcurrency keeps one operator from taking an API server for itself.
const maxConcurrency = 64

func parse(args []string) (*options, error) {
	c := &options{}
	fs := flag.NewFlagSet("operator", flag.ContinueOnError)
	c.serving.Register(fs, "", "", ":9083")
	fs.StringVar(&c.kubeconfig, "kubeconfig", "", "`path` of a kubeconfig; by default as the pod's own service account")
	fs.Var(&c.namespaces, "namespaces", "`names` of the namespaces to watch, with commas; none: all of the cluster")
	fs.StringVar(&c.cluster, "cluster-id", "", "`id` of this cluster in auth's records, unlike that of every other cluster that shares "+
		"auth; by default the UID of kube-system. Never change it afterwards: records under the old id stay")
	c.auth.register(fs, "auth", "8081")
	c.persistence.register(fs, "persistence", "8082")
	fs.StringVar(&c.eventsURL, "events-url", "", "`URL` where applications post events, as Secrets say it: https://events.example.com/v1/events")
	fs.StringVar(&c.tokenURL, "token-url", "", "`URL` where applications get access tokens, as Secrets say it; none: Secrets have no token-uri")
	fs.StringVar(&c.keyEnv, "key-env", "live", "`word` of this installation in API keys, so that people can tell them apart")
	fs.IntVar(&c.concurrency, "concurrency", 16, "`number` of Applications that are reconciled at once")
	fs.BoolVar(&c.leaderElect, "leader-elect", true, "elect a leader, so that several replicas can run")
	fs.StringVar(&c.leaseIn, "leader-election-namespace", "", "`namespace` of the lease; by default the pod's own")
	fs.StringVar(&c.lease, "leader-election-id", "theeye-operator", "`name` of the lease, unlike that of every other installation in its "+
		"namespace: that of the operator's Deployment, by which operator retire deletes it")
	fs.DurationVar(&c.revokeTimeout, "revoke-timeout", time.Minute, "`time` that a deleted Application waits for auth and persistence; then "+
		"it goes, and is ended there once they answer")
	fs.DurationVar(&c.usageInterval, "usage-interval", 5*time.Minute, "`time` between two questions about an Application's usage")
	fs.DurationVar(&c.compareInterval, "compare-interval", time.Minute, "`time` between two comparisons of auth's records with the Applications")
	fs.DurationVar(&c.pollInterval, "poll-interval", time.Minute, "`time` between two looks at a Secret without the label theeye.dev/secret")
	fs.Var(&c.log, "log-level", "`level`: debug, info, warn or error")
	if err := ops.ParseFlags(fs, purpose, args); err != nil {
		return c, err
	}
	return c, c.validate()
}

func (c *options) validate() error {
	errs := []error{c.serving.Validate()}
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	for _, u := range []struct{ name, value string }{{"auth-url", c.auth.url}, {"persistence-url", c.persistence.url}, {"events-url", c.eventsURL}} {
		check(absolute(u.value), "--%s must be an http or https URL", u.name)
	}
	for _, s := range []struct {
		name string
		service
	}{{"auth", c.auth}, {"persistence", c.persistence}} {
		check(s.caFile == "" || strings.HasPrefix(s.url, "https://"), "--%s-ca-file needs an https URL in --%s-url", s.name, s.name)
	}
	check(c.tokenURL == "" || absolute(c.tokenURL), "--token-url must be an http or https URL")
	check(c.cluster == "" || clusterIDs.MatchString(c.cluster), "--cluster-id must have 1 to 63 lower-case letters, digits and hyphens")
	for _, name := range c.namespaces {
		check(len(validation.IsDNS1123Label(name)) == 0, "--namespaces must be names of namespaces, and %q is none", name)
	}
	check(apikey.ValidCredentialID(c.keyEnv), "--key-env must have 1 to 16 lower-case letters and digits")
	check(c.concurrency >= 1 && c.concurrency <= maxConcurrency, "--concurrency must be from 1 to %d", maxConcurrency)
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"revoke-timeout", c.revokeTimeout},
		{"usage-interval", c.usageInterval},
		{"compare-interval", c.compareInterval},
		{"poll-interval", c.pollInterval},
	} {
		check(d.value >= time.Second, "--%s must be at least 1s", d.name)
	}
	if c.leaderElect && c.leaseNamespace() == "" {
		errs = append(errs, errors.New("--leader-election-namespace is required outside a pod; or --leader-elect=false"))
	}
	return errors.Join(append(errs, named("leader-election-id", c.lease))...)
}

func absolute(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

// leaseNamespace is where the lease is; "" without an election.
func (c *options) leaseNamespace() string {
	if !c.leaderElect {
		return ""
	}
	if c.leaseIn != "" {
		return c.leaseIn
	}
	name, _ := os.ReadFile(ownNamespace) // outside a pod there is none
	return strings.TrimSpace(string(name))
}

// names is a flag value: names with commas between them.
type names []string

func (n *names) String() string { return strings.Join(*n, ",") }

// Set reads the names; an empty value names none.
func (n *names) Set(text string) error {
	*n = nil
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			*n = append(*n, part)
		}
	}
	return nil
}
