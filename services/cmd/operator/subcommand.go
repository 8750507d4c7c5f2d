package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/theeye-dev/theeye/services/internal/kube"
	"github.com/theeye-dev/theeye/services/internal/ops"
	"github.com/theeye-dev/theeye/services/operator"
	"github.com/theeye-dev/theeye/services/operator/install"
)

// purpose is what -h says before the flags.
const purpose = `reconciles Application resources: credentials in Secrets, and what auth knows of applications

Three commands of an installation, each with -h:

  operator passwords   makes the Secret of what auth encrypts with, and of passwords for the Redis and PostgreSQL that come along
  operator try         sends one event the whole way, from an Application of its own to a query
  operator retire      before an uninstall: ends the operator, and lets Applications go`

// errandRequest bounds one request to the API server: a job that hangs on one tells nothing.
const errandRequest = 30 * time.Second

// errand is a subcommand: something that is done once, and ends.
type errand interface {
	at() *site
	register(fs *flag.FlagSet)
	validate() []error
	run(ctx context.Context, c client.Client, p *install.Progress) error
}

// site is where an errand goes: the flags that all of them have.
type site struct{ kubeconfig, namespace string }

func (s *site) at() *site { return s }

func (s *site) register(fs *flag.FlagSet, whose string) {
	fs.StringVar(&s.kubeconfig, "kubeconfig", "", "`path` of a kubeconfig; by default as the pod's own service account")
	fs.StringVar(&s.namespace, "namespace", podNamespace(), "`namespace` of "+whose+"; by default the pod's own")
}

func (s *site) validate() []error {
	if len(validation.IsDNS1123Label(s.namespace)) > 0 {
		return []error{errors.New("--namespace must be the name of a namespace, and is required outside a pod")}
	}
	return nil
}

// named checks a flag with the name of an object.
func named(flagName, value string) error {
	if len(validation.IsDNS1123Subdomain(value)) > 0 {
		return fmt.Errorf("--%s must be a name: lower-case letters, digits, '-' and '.'", flagName)
	}
	return nil
}

// podNamespace is that of the pod; "" outside one.
func podNamespace() string {
	name, _ := os.ReadFile(ownNamespace)
	return strings.TrimSpace(string(name))
}

// do is the whole life of a subcommand.
func do(e errand, name, does string) {
	parse := func(args []string) (errand, error) {
		fs := flag.NewFlagSet("operator "+name, flag.ContinueOnError)
		e.register(fs)
		if err := ops.ParseFlags(fs, does, args[1:]); err != nil {
			return nil, err
		}
		return e, errors.Join(append(e.at().validate(), e.validate()...)...)
	}
	ops.Main("operator "+name, parse, func(ctx context.Context, e errand) error {
		ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
		defer stop()
		c, err := e.at().client()
		if err != nil {
			return err
		}
		return e.run(ctx, c, install.NewProgress(os.Stdout, time.Now))
	})
}

// client asks the API server, and keeps nothing.
func (s *site) client() (client.Client, error) {
	ctrl.SetLogger(logr.Discard()) // what is worth telling, an errand tells itself
	klog.SetLogger(logr.Discard())
	config, err := kube.Config(s.kubeconfig)
	if err != nil {
		return nil, err
	}
	config.QPS, config.Timeout = -1, errandRequest // one request after the other is slow enough
	scheme, err := operator.Scheme()
	if err != nil {
		return nil, err
	}
	made, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("make client: %w", err)
	}
	return made, nil
}
