// Command newkey makes an API key for an application whose credentials are kept elsewhere (spec.credentials.existingSecret).
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"github.com/theeye-dev/theeye/api/apikey"
)

const help = `newkey prints a new API key for an application, to be put under api-key into a Secret of one's own. Whoever reads it can
send events as that application; only its hash ever leaves the Secret's namespace.

  go run ./hack/newkey eye_0123456789abcdef01234567

The argument is the application's client id, from: kubectl get eyeapp NAME -o jsonpath='{.status.clientID}'

`

func main() {
	err := run(os.Args[1:], os.Stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "newkey:", err)
		os.Exit(2)
	}
}

var clientID = regexp.MustCompile(`^eye_[0-9a-f]{24}$`)

func run(args []string, out io.Writer) error {
	fs := flag.NewFlagSet("newkey", flag.ContinueOnError)
	fs.SetOutput(out)
	fs.Usage = func() { _, _ = fmt.Fprint(out, help); fs.PrintDefaults() }
	env := fs.String("env", "live", "`word` of the installation in the key: 1 to 16 lower-case letters and digits")
	credential := fs.String("credential", "own", "`id` of the credential in the key: 1 to 16 lower-case letters and digits")
	if err := fs.Parse(args); err != nil {
		return err //nolint:wrapcheck // printed by the flag package already
	}
	id := strings.Join(fs.Args(), " ")
	if !clientID.MatchString(id) {
		return fmt.Errorf("%q is no client id: eye_ and 24 hexadecimal digits", id)
	}
	if !apikey.ValidCredentialID(*env) || !apikey.ValidCredentialID(*credential) {
		return errors.New("-env and -credential must have 1 to 16 lower-case letters and digits")
	}
	fmt.Fprintln(out, apikey.New(*env, id, *credential))
	return nil
}
