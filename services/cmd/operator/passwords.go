package main

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/theeye-dev/theeye/services/operator/install"
)

// passwords is the errand that makes passwords.
type passwords struct {
	site
	secret string
	keys   keys
	labels labels
}

func (o *passwords) register(fs *flag.FlagSet) {
	o.site.register(fs, "the Secret")
	fs.StringVar(&o.secret, "secret", "", "`name` of the Secret")
	fs.Var(&o.keys, "keys", "`names` of the keys that it must have, with commas, of "+strings.Join(install.PasswordKeys(), ", ")+"; none: all")
	fs.Var(&o.labels, "label", "`key=value` of a label that a new Secret gets; more with commas, or the flag again")
}

func (o *passwords) validate() []error { return []error{named("secret", o.secret)} }

func (o *passwords) run(ctx context.Context, c client.Client, p *install.Progress) error {
	return install.Passwords(ctx, c, client.ObjectKey{Namespace: o.namespace, Name: o.secret}, o.keys.wanted(), o.labels, p)
}

// keys is a flag value: some of those that can be made.
type keys []string

func (k *keys) String() string { return strings.Join(*k, ",") }

// Set reads the names; an empty value names none.
func (k *keys) Set(text string) error {
	var list names
	if err := list.Set(text); err != nil {
		return err
	}
	for _, name := range list {
		if !slices.Contains(install.PasswordKeys(), name) {
			return fmt.Errorf("%q is none of %s", name, strings.Join(install.PasswordKeys(), ", "))
		}
	}
	*k = keys(list)
	return nil
}

// wanted are the keys that were named, or all.
func (k *keys) wanted() []string {
	if len(*k) == 0 {
		return install.PasswordKeys()
	}
	return *k
}

// labels is a flag value; each Set adds to it.
type labels map[string]string

func (l *labels) String() string {
	var pairs []string
	for _, key := range slices.Sorted(maps.Keys(*l)) {
		pairs = append(pairs, key+"="+(*l)[key])
	}
	return strings.Join(pairs, ",")
}

// Set adds labels, with commas between them; an empty value adds none.
func (l *labels) Set(text string) error {
	if *l == nil {
		*l = labels{}
	}
	for pair := range strings.SplitSeq(text, ",") {
		if pair = strings.TrimSpace(pair); pair == "" {
			continue
		}
		key, value, ok := strings.Cut(pair, "=")
		if !ok || len(validation.IsQualifiedName(key)) > 0 || len(validation.IsValidLabelValue(value)) > 0 {
			return fmt.Errorf("%q is not key=value of a label", pair)
		}
		(*l)[key] = value
	}
	return nil
}
