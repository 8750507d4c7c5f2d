package kube

import (
	"flag"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"go.opentelemetry.io/otel/metric"
	"k8s.io/apimachinery/pkg/util/validation"

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

// Flags say who is let in by service account, and which API server knows.
type Flags struct {
	Accounts   Accounts
	Kubeconfig string // "": the cluster that the process runs in
}

// Register defines --operator-account and --kubeconfig.
func (f *Flags) Register(fs *flag.FlagSet) {
	fs.Var(&f.Accounts, "operator-account",
		"`namespace/name` of the operator's service account, or several with commas: its projected token opens what the operator needs")
	fs.StringVar(&f.Kubeconfig, "kubeconfig", "",
		"`path` of a kubeconfig, by which --operator-account's tokens are reviewed; by default as the pod's own service account")
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
