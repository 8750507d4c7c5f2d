package main

import (
	"bytes"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// good are the flags that have no default outside a pod.
func good(more ...string) []string {
	return append([]string{"--events-url", "https://events.example.com/v1/events", "--leader-election-namespace", "theeye"}, more...)
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	c, err := parse(good())
	if err != nil {
		t.Fatal(err)
	}
	if len(c.namespaces) != 0 || !c.leaderElect || c.concurrency != 16 || c.revokeTimeout != time.Minute || c.keyEnv != "live" || c.lease != "theeye-operator" ||
		c.usageInterval != 5*time.Minute || c.compareInterval != time.Minute || c.pollInterval != time.Minute {
		t.Errorf("defaults are %+v", c)
	}
	if c.auth.url != "http://theeye-auth:8081" || c.persistence.tokenFile != "/var/run/secrets/theeye/persistence/token" {
		t.Errorf("services are %+v and %+v", c.auth, c.persistence)
	}
}

func TestNamespaces(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]names{
		"": nil, " , ": nil, "shop": {"shop"}, "shop, bank,": {"shop", "bank"},
	} {
		c, err := parse(good("--namespaces", text))
		if diff := cmp.Diff(want, c.namespaces); diff != "" || err != nil {
			t.Errorf("%q: %v %s", text, err, diff)
		}
	}
}

// Every fault has its flag's name in the message, and several are told at once.
func TestFaultyFlags(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"--events-url must be":                                        good("--events-url", ""),
		"--events-url must be an http":                                good("--events-url", "events.example.com/v1/events"),
		"--auth-url must be":                                          good("--auth-url", "ftp://auth"),
		"--persistence-url must be":                                   good("--persistence-url", "http://"),
		"--token-url must be":                                         good("--token-url", "auth"),
		"--cluster-id must have 1 to 63":                              good("--cluster-id", strings.Repeat("a", 64)),
		"--cluster-id must have":                                      good("--cluster-id", "Shop_1"),
		`--namespaces must be names of namespaces, and "a/b" is none`: good("--namespaces", "shop,a/b"),
		`names of namespaces, and "Shop" is none`:                     good("--namespaces", "Shop"),
		"--key-env must have":                                         good("--key-env", "Live_1"),
		"--leader-election-id must be a name":                         good("--leader-election-id", "Blue_1"),
		"--leader-election-id must be":                                good("--leader-election-id", ""),
		"--concurrency must be from 1 to 64":                          good("--concurrency", "65"),
		"--concurrency must":                                          good("--concurrency", "0"),
		"--revoke-timeout must be at least 1s":                        good("--revoke-timeout", "0s"),
		"--usage-interval must":                                       good("--usage-interval", "999ms"),
		"--compare-interval must":                                     good("--compare-interval", "-1m"),
		"--poll-interval must":                                        good("--poll-interval", "1ns"),
		"--tls-cert-file needs":                                       good("--tls-cert-file", "tls.crt"),
		"--tls-private-key-file needs":                                good("--tls-private-key-file", "tls.key"),
		"--auth-ca-file needs an https URL in --auth-url":             good("--auth-ca-file", "ca.crt"),
		"--persistence-ca-file needs an https":                        good("--persistence-ca-file", "ca.crt", "--auth-url", "https://auth"),
		"--leader-election-namespace is":                              {"--events-url", "https://events.example.com/v1/events"},
		"unexpected argument":                                         good("start"),
		"not defined: -nonsense":                                      good("--nonsense"),
		`invalid value "x" for flag -concurr`:                         good("--concurrency", "x"),
		`invalid value "loud" for flag -log`:                          good("--log-level", "loud"),
		"--key-env must have 1 to 16 lower-case":                      good("--key-env", "", "--concurrency", "0"),
	} {
		if _, err := parse(args); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", args, err, want)
		}
	}
	_, err := parse(good("--key-env", "", "--concurrency", "0"))
	if err == nil || !strings.Contains(err.Error(), "--key-env") || !strings.Contains(err.Error(), "--concurrency") {
		t.Errorf("not both faults: %v", err)
	}
	if _, err := parse(good("--cluster-id", strings.Repeat("a-1", 21), "--namespaces", strings.Repeat("a", 63))); err != nil {
		t.Errorf("the longest names: %v", err)
	}
	if _, err := parse(good("--auth-url", "https://auth", "--auth-ca-file", "ca.crt", "--tls-cert-file", "c", "--tls-private-key-file", "k")); err != nil {
		t.Errorf("TLS: %v", err)
	}
	if _, err := parse([]string{"--events-url", "http://e", "--leader-elect=false"}); err != nil {
		t.Errorf("a single replica outside a pod: %v", err)
	}
}

// The process itself: help on its standard output with exit code 0, faults on its standard error with 2.
func TestExitCodes(t *testing.T) {
	t.Parallel()
	binary := testenv.Build(t, "operator")[0]
	run := func(args ...string) (stdout, stderr string, code int) {
		var out, errs bytes.Buffer
		cmd := exec.CommandContext(t.Context(), binary, args...)
		cmd.Stdout, cmd.Stderr, cmd.Env = &out, &errs, []string{}
		err := cmd.Run()
		if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		return out.String(), errs.String(), cmd.ProcessState.ExitCode()
	}
	help, stderr, code := run("-h")
	if code != 0 || stderr != "" {
		t.Errorf("-h ends with %d and %s", code, stderr)
	}
	for _, flag := range []string{
		"--auth-ca-file", "--auth-token-file", "--auth-url", "--cluster-id", "--compare-interval", "--concurrency", "--events-url", "--key-env",
		"--kubeconfig", "--leader-elect", "--leader-election-namespace", "--log-level", "--namespaces", "--ops-listen",
		"--persistence-ca-file", "--tls-cert-file", "--tls-private-key-file", "--version", "--persistence-token-file", "--persistence-url", "--poll-interval", "--revoke-timeout", "--token-url", "--usage-interval",
		"[THEEYE_EVENTS_URL]", "(default 5m0s)", "(default http://theeye-auth:8081)", "(default 16)", "(default live)", "(default true)",
	} {
		if !strings.Contains(help, flag) {
			t.Errorf("-h does not tell of %s", flag)
		}
	}
	if _, stderr, code := run("--concurrency=0"); code != 2 || !strings.Contains(stderr, "--concurrency must") || !strings.Contains(stderr, "operator -h") {
		t.Errorf("bad flags end with %d and %s", code, stderr)
	}
	if _, stderr, code := run(good("--kubeconfig", "/nowhere")...); code != 1 || !strings.Contains(stderr, "/nowhere") {
		t.Errorf("a kubeconfig that is not there ends with %d and %s", code, stderr)
	}
}
