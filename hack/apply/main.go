// Command apply applies Application manifests to an installation of TheEye without Kubernetes.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"github.com/theeye-dev/theeye/hack/standalone"
)

const help = `apply applies Application manifests, the same as in a cluster, to an installation without Kubernetes.
It prints each application's UID and credentials as KEY=value lines. Unknown fields are errors.
An application keeps its API key for as long as it is found under --keys; applying twice changes nothing.

  go run ./hack/apply -f config/samples/application.yaml

`

// answer is printed for each application.
const answer = `# %s/%s
THEEYE_APPLICATION_UID=%s
THEEYE_CLIENT_ID=%s
THEEYE_CLIENT_SECRET=%s
THEEYE_API_KEY=%[5]s
`

type options struct {
	file, authURL, token, tokenFile, keys string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdin, os.Stdout)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "apply:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
	o, err := parseOptions(args, out)
	if err != nil {
		return err
	}
	if o.file != "-" {
		f, err := os.Open(o.file)
		if err != nil {
			return fmt.Errorf("open manifest: %w", err)
		}
		defer f.Close() //nolint:errcheck // only read
		in = f
	}
	applications, err := standalone.Read(in)
	if err != nil {
		return fmt.Errorf("%s: %w", o.file, err)
	}
	if len(applications) == 0 {
		return fmt.Errorf("%s: no application in it", o.file)
	}
	auth := standalone.Auth{URL: o.authURL, Token: o.token}
	for i := range applications {
		c, err := auth.ApplyKept(ctx, &applications[i], standalone.Keys(o.keys))
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(out, answer, applications[i].Namespace, applications[i].Name, c.UID, c.ClientID, c.APIKey); err != nil {
			return fmt.Errorf("print credentials: %w", err)
		}
	}
	return nil
}

func parseOptions(args []string, out io.Writer) (options, error) {
	var o options
	fs := flag.NewFlagSet("apply", flag.ContinueOnError)
	fs.SetOutput(out)
	fs.StringVar(&o.file, "f", "", "manifest `file`, YAML or JSON, with one or more documents; - is standard input")
	fs.StringVar(&o.authURL, "auth-url", os.Getenv("THEEYE_AUTH_URL"), "`URL` of auth; default $THEEYE_AUTH_URL")
	fs.StringVar(&o.tokenFile, "admin-token-file", "", "`file` with the admin token; default: the token in $THEEYE_ADMIN_TOKEN")
	fs.StringVar(&o.keys, "keys", ".local/keys", "`directory` in which the API keys are kept")
	fs.Usage = func() {
		_, _ = io.WriteString(out, help)
		fs.PrintDefaults()
	}
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	o.token = os.Getenv("THEEYE_ADMIN_TOKEN")
	if o.tokenFile != "" {
		content, err := os.ReadFile(o.tokenFile)
		if err != nil {
			return o, fmt.Errorf("read admin token: %w", err)
		}
		o.token = strings.TrimSpace(string(content))
	}
	switch {
	case fs.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	case o.file == "":
		return o, errors.New("-f is missing")
	case o.authURL == "" || o.token == "":
		return o, errors.New("auth's URL and admin token are missing; after make up: set -a; . .local/env; set +a")
	}
	return o, nil
}
