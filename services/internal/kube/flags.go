package kube

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"time"

	"go.opentelemetry.io/otel/metric"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/rest"

	"github.com/theeye-dev/theeye/services/internal/admin"
)

// userPrefix is before namespace and name in the user name of every service account.
const userPrefix = "system:serviceaccount:"

// Accounts are service accounts by user name. As a flag value they are written namespace/name, separated by commas.
type Accounts []string

// String writes the accounts as the flag takes them.
func (a Accounts) String() string {
	short := make([]string, len(a))
	for i, user := range a {
		short[i] = strings.Replace(strings.TrimPrefix(user, userPrefix), ":", "/", 1)
	}
	return strings.Join(short, ",")
}

// Set reads a flag's value; it replaces what an environment variable has set before. An empty value names nobody.
func (a *Accounts) Set(text string) error {
	*a = nil
	if strings.TrimSpace(text) == "" {
		return nil
	}
	for part := range strings.SplitSeq(text, ",") {
		namespace, name, _ := strings.Cut(strings.TrimSpace(part), "/")
		if len(validation.IsDNS1123Label(namespace)) > 0 || len(validation.IsDNS1123Subdomain(name)) > 0 {
			return fmt.Errorf("service account %q is not namespace/name", part)
		}
		*a = append(*a, userPrefix+namespace+":"+name)
	}
	return nil
}

// Flags say who is let in by Kubernetes, and which API server knows.
type Flags struct {
	Accounts   Accounts
	Kubeconfig string // "": the cluster that the process runs in
	Access     string // of people: one of the values of --kubernetes-access; "": none
}

// The values of --kubernetes-access.
const (
	accessAuto = "auto"
	accessOn   = "on"
	accessOff  = "off"
)

// Register defines --operator-account and --kubeconfig.
func (f *Flags) Register(set *flag.FlagSet) {
	set.Var(&f.Accounts, "operator-account",
		"`namespace/name` of the operator's service account, or several with commas: its projected token opens what the operator needs")
	set.StringVar(&f.Kubeconfig, "kubeconfig", "",
		"`path` of a kubeconfig, by which Kubernetes tokens are reviewed; by default as the pod's own service account")
}

// RegisterAccess defines --kubernetes-access.
func (f *Flags) RegisterAccess(set *flag.FlagSet) {
	set.StringVar(&f.Access, "kubernetes-access", accessAuto, "whether Kubernetes tokens read what RBAC allows their owners on "+
		"applications/events of theeye.dev: `auto`, which is on in a cluster and with --kubeconfig, on or off")
}

// Validate refuses a value of --kubernetes-access that it does not have.
func (f *Flags) Validate() error {
	switch f.Access {
	case "", accessAuto, accessOn, accessOff:
		return nil
	}
	return errors.New("--kubernetes-access must be auto, on or off")
}

// Operator returns the authorizer of the operator's requests with tokens for an audience: a Reviewer, or admin.Nobody
// where no service account is named.
func (f *Flags) Operator(audience string, meter metric.Meter, logger *slog.Logger) (admin.Authorizer, error) {
	if len(f.Accounts) == 0 {
		return admin.Nobody{}, nil
	}
	config, err := Config(f.Kubeconfig)
	if err != nil {
		return nil, err
	}
	client, err := NewClient(config)
	if err != nil {
		return nil, err
	}
	metrics, err := NewMetrics(meter)
	if err != nil {
		return nil, err
	}
	return NewReviewer(client, audience, f.Accounts, metrics, logger, time.Now), nil
}

// People returns who knows what people may do; nil where Kubernetes tokens read nothing.
func (f *Flags) People(meter metric.Meter, logger *slog.Logger) (*People, error) {
	if f.Access == "" || f.Access == accessOff {
		return nil, nil
	}
	config, err := Config(f.Kubeconfig)
	if f.Access == accessAuto && f.Kubeconfig == "" && (errors.Is(err, rest.ErrNotInCluster) || errors.Is(err, fs.ErrNotExist)) {
		return nil, nil // also in a pod that was given no token
	}
	if err != nil {
		return nil, err
	}
	client, err := NewPeopleClient(config)
	if err != nil {
		return nil, err
	}
	metrics, err := NewMetrics(meter)
	if err != nil {
		return nil, err
	}
	return NewPeople(client, metrics, logger, time.Now), nil
}
