package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/theeye-dev/theeye/api/event"
)

const usage = `realinput: sends some hundred recorded GitHub webhooks through a running TheEye, singly and in batches, reads
them back and compares every value; then sends all again and looks that nothing was stored twice.

  make up && go run ./hack/realinput

It exits with 1 unless everything came back equal, once. What it stored stays.

Where TheEye is comes from the flags, from THEEYE_* in the environment, or from the file of make up, in this order.

Flags:
`

// config is where TheEye is and how to go about it.
type config struct {
	ingestURL, persistenceURL, redisURL string
	clientID, clientSecret              string
	packageFile, cache                  string
	batch, workers                      int
	timeout                             time.Duration
}

func parseFlags(args []string) (*config, error) {
	c := &config{}
	fs := flag.NewFlagSet("realinput", flag.ContinueOnError)
	fs.Usage = func() { _, _ = fmt.Fprint(fs.Output(), usage); fs.PrintDefaults() }
	envFile := fs.String("env", ".local/env", "`file` with KEY=value lines, as make up writes it")
	places := map[string]*string{
		"THEEYE_INGEST_URL":      fs.String("ingest-url", "", "`URL` of ingest"),
		"THEEYE_PERSISTENCE_URL": fs.String("persistence-url", "", "`URL` of persistence"),
		"THEEYE_REDIS_URL":       fs.String("redis-url", "", "`URL` of TheEye's Redis, asked whether all events were taken from it"),
		"THEEYE_CLIENT_ID":       fs.String("client-id", "", "client `id` of the application"),
		"THEEYE_CLIENT_SECRET":   new(string), // not a flag: arguments can be seen by others
	}
	fs.StringVar(&c.packageFile, "package", "", "tarball `file` of "+packageName+" "+packageVersion+"; default: npm pack fetches it")
	fs.StringVar(&c.cache, "cache", defaultCache(), "`directory` where the fetched tarball is kept")
	fs.IntVar(&c.batch, "batch", 100, "events of a request, where they are posted in batches")
	fs.IntVar(&c.workers, "workers", 4, "requests in flight")
	fs.DurationVar(&c.timeout, "timeout", 2*time.Minute, "how long all may take to be stored")
	if err := fs.Parse(args); err != nil {
		return nil, err //nolint:wrapcheck // printed by the flag package already
	}
	if err := fill(places, *envFile); err != nil {
		return nil, err
	}
	c.ingestURL, c.persistenceURL = *places["THEEYE_INGEST_URL"], *places["THEEYE_PERSISTENCE_URL"]
	c.redisURL = *places["THEEYE_REDIS_URL"]
	c.clientID, c.clientSecret = *places["THEEYE_CLIENT_ID"], *places["THEEYE_CLIENT_SECRET"]
	return c, c.validate(fs.Args(), places)
}

// fill gives what no flag said from the environment or the file.
func fill(places map[string]*string, envFile string) error {
	content, err := os.ReadFile(envFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read environment file: %w", err)
	}
	file := parseEnv(string(content))
	for name, place := range places {
		*place = cmp.Or(*place, os.Getenv(name), file[name])
	}
	return nil
}

// parseEnv reads KEY=value lines.
func parseEnv(text string) map[string]string {
	env := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(name, "#") {
			env[name] = value
		}
	}
	return env
}

func (c *config) validate(rest []string, places map[string]*string) error {
	var errs []error
	for name, place := range places {
		if *place == "" {
			errs = append(errs, fmt.Errorf("%s is not known: is TheEye up? (make up)", name))
		}
	}
	if len(rest) > 0 {
		errs = append(errs, fmt.Errorf("unexpected argument %q", rest[0]))
	}
	if c.batch < 2 || c.batch > event.MaxEvents {
		errs = append(errs, fmt.Errorf("-batch must be between 2 and %d", event.MaxEvents))
	}
	if c.workers < 1 || c.timeout <= 0 {
		errs = append(errs, errors.New("-workers must be at least 1 and -timeout above 0"))
	}
	return errors.Join(errs...)
}

func defaultCache() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		dir = os.TempDir()
	}
	return filepath.Join(dir, "theeye")
}
