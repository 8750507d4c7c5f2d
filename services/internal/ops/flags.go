package ops

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
)

// ErrHelp is what ParseFlags answers when it printed help or a version on request.
var ErrHelp = flag.ErrHelp

// Version is set by the linker (-X).
var Version = "dev"

// EnvName is the environment variable behind a flag: redis-url has THEEYE_REDIS_URL.
func EnvName(flagName string) string {
	return "THEEYE_" + strings.ToUpper(strings.ReplaceAll(flagName, "-", "_"))
}

// ParseFlags sets flags from their environment variables and then from the arguments, which win. Help names both.
func ParseFlags(fs *flag.FlagSet, purpose string, args []string) error {
	fs.SetOutput(io.Discard)
	version := fs.Bool("version", false, "print the version and exit")
	usage := func(w io.Writer) {
		fmt.Fprintf(w, "%s %s: %s\n\nEvery flag can be set by the environment variable in brackets; the flag wins.\n\n", fs.Name(), Version, purpose)
		fs.VisitAll(func(f *flag.Flag) {
			name, text := flag.UnquoteUsage(f)
			if f.DefValue != "" && f.DefValue != "false" {
				text += " (default " + f.DefValue + ")"
			}
			fmt.Fprintf(w, "  --%s %s [%s]\n        %s\n", f.Name, name, EnvName(f.Name), text)
		})
	}
	var errs []error
	fs.VisitAll(func(f *flag.Flag) {
		if value, ok := os.LookupEnv(EnvName(f.Name)); ok && f.Name != "version" {
			if err := fs.Set(f.Name, value); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", EnvName(f.Name), err))
			}
		}
	})
	err := fs.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		usage(os.Stdout)
		return ErrHelp
	case err == nil && *version:
		fmt.Println(fs.Name(), Version)
		return ErrHelp
	case err == nil && fs.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	return errors.Join(append(errs, err)...)
}

// Secret is a flag value that can be read from a file and never shows itself. It is behind a pointer because fmt asks
// no String method of an unexported field: a printed configuration would show it.
type Secret struct{ value *string }

// String hides the value, in help and in logs.
func (s Secret) String() string { return "" }

// Set takes the value itself.
func (s *Secret) Set(value string) error {
	value = strings.TrimSpace(value)
	s.value = &value
	return nil
}

// Reveal returns the value.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// SecretVar defines two flags: name with the secret itself and name-file with a path to it.
func SecretVar(fs *flag.FlagSet, s *Secret, name, usage string) {
	fs.Var(s, name, usage+"; prefer --"+name+"-file or the environment, for arguments can be seen by others")
	fs.Func(name+"-file", "`path` of a file with: "+strings.ReplaceAll(usage, "`", ""), func(path string) error {
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return s.Set(string(content))
	})
}
