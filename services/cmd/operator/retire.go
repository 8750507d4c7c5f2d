package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/theeye-dev/theeye/services/operator/install"
)

// retire is the errand that ends the operator.
type retire struct {
	site
	deployment string
	namespaces names
	timeout    time.Duration
}

func (o *retire) register(fs *flag.FlagSet) {
	o.site.register(fs, "the operator's Deployment")
	fs.StringVar(&o.deployment, "deployment", "", "`name` of the operator's Deployment, and of its lease")
	fs.Var(&o.namespaces, "namespaces", "`names` of the namespaces whose Applications are let go, with commas; none: all of the cluster")
	fs.DurationVar(&o.timeout, "timeout", 2*time.Minute, "`time` that the operator has for deleted Applications, and then once more for its end; "+
		"after it Applications are let go all the same")
}

func (o *retire) validate() []error {
	errs := []error{named("deployment", o.deployment)}
	for _, name := range o.namespaces {
		if len(validation.IsDNS1123Label(name)) > 0 {
			errs = append(errs, fmt.Errorf("--namespaces must be names of namespaces, and %q is none", name))
		}
	}
	if o.timeout < 0 {
		errs = append(errs, errors.New("--timeout must not be negative"))
	}
	return errs
}

func (o *retire) run(ctx context.Context, c client.Client, p *install.Progress) error {
	r := &install.Retirement{
		Client: c, Deployment: client.ObjectKey{Namespace: o.namespace, Name: o.deployment}, Namespaces: o.namespaces,
		Timeout: o.timeout, Progress: p,
	}
	return r.Run(ctx)
}
