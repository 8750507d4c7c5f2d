package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"flag"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/theeye-dev/theeye/services/internal/ops"
	"github.com/theeye-dev/theeye/services/internal/testenv"
	"github.com/theeye-dev/theeye/services/operator/install"
)

// parseErrand reads the flags of an errand as do does.
func parseErrand(e errand, args ...string) error {
	fs := flag.NewFlagSet("operator", flag.ContinueOnError)
	e.register(fs)
	if err := ops.ParseFlags(fs, "", args); err != nil {
		return err
	}
	return errors.Join(append(e.at().validate(), e.validate()...)...)
}

func TestErrandFlags(t *testing.T) {
	t.Parallel()
	p := &passwords{}
	if err := parseErrand(p, "--secret=a.b", "--namespace=n", "--label=a=b,theeye.dev/c=d", "--label=a=e", "--label=f="); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(labels{"a": "e", "theeye.dev/c": "d", "f": ""}, p.labels); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(install.PasswordKeys(), p.keys.wanted()); diff != "" {
		t.Error(diff)
	}
	if err := parseErrand(p, "--secret=a", "--namespace=n", "--keys=signing-key-encryption, redis-auth"); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"signing-key-encryption", "redis-auth"}, p.keys.wanted()); diff != "" {
		t.Error(diff)
	}
	r := &retire{}
	if err := parseErrand(r, "--deployment=d", "--namespace=n", "--namespaces=a,b"); err != nil || r.timeout != 2*time.Minute || len(r.namespaces) != 2 {
		t.Errorf("retire is %+v: %v", r, err)
	}
	y := &try{}
	if err := parseErrand(y, "--namespace=n"); err != nil || y.timeout != 2*time.Minute || y.name != "theeye-try" ||
		y.persistenceURL != "http://theeye-persistence:8082" {
		t.Errorf("try is %+v: %v", y, err)
	}
}

func TestFaultyErrandFlags(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		want string
		e    errand
		args []string
	}{
		{"--secret must be a name", &passwords{}, []string{"--namespace=n"}},
		{"--secret must be a name", &passwords{}, []string{"--namespace=n", "--secret=A_b"}},
		{"--namespace must be the name of a namespace, and is required outside a pod", &passwords{}, []string{"--secret=s"}},
		{"--namespace must", &retire{}, []string{"--deployment=s", "--namespace=a.b"}},
		{`"redis" is none of redis-admin, `, &passwords{}, []string{"--secret=s", "--namespace=n", "--keys=redis-auth,redis"}},
		{`"a" is not key=value of a label`, &passwords{}, []string{"--label=a"}},
		{`"a b=c" is not key=value`, &passwords{}, []string{"--label", "x=y,a b=c"}},
		{`"a=b c" is not key=value`, &passwords{}, []string{"--label", "a=b c"}},
		{"--deployment must be a name", &retire{}, []string{"--namespace=n"}},
		{`"A" is none`, &retire{}, []string{"--namespace=n", "--deployment=d", "--namespaces=a,A"}},
		{"--timeout must not be negative", &retire{}, []string{"--namespace=n", "--deployment=d", "--timeout=-1s"}},
		{"--name must be a name", &try{}, []string{"--namespace=n", "--name="}},
		{"--ingest-url must be", &try{}, []string{"--namespace=n", "--ingest-url=ingest"}},
		{"--auth-url must be", &try{}, []string{"--namespace=n", "--auth-url=auth"}},
		{"--persistence-url must be", &try{}, []string{"--namespace=n", "--persistence-url="}},
		{"--timeout must be above 0", &try{}, []string{"--namespace=n", "--timeout=0s"}},
		{"unexpected argument", &try{}, []string{"--namespace=n", "again"}},
	} {
		if err := parseErrand(tt.e, tt.args...); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%T %q: %v, want %q", tt.e, tt.args, err, tt.want)
		}
	}
}

// Authorities come from all files and from nowhere else, and a file without one is an error and not the absence of trust.
func TestErrandTrusts(t *testing.T) {
	t.Parallel()
	var files names
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	for _, certificate := range [][]byte{otherCertificate(t), server.Certificate().Raw} {
		files = append(files, filepath.Join(t.TempDir(), "ca.crt"))
		text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})
		if err := os.WriteFile(files[len(files)-1], text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, tt := range map[string]struct {
		files names
		fails bool
	}{"both": {files, false}, "its own": {files[1:], false}, "another": {files[:1], true}, "the system's": {nil, true}} {
		asker, err := (&try{caFiles: tt.files}).asker()
		if err != nil {
			t.Fatal(err)
		}
		response, err := asker.Get(server.URL)
		if err == nil {
			_ = response.Body.Close()
		}
		if unknown := errors.As(err, new(x509.UnknownAuthorityError)); unknown != tt.fails || (err != nil) != tt.fails {
			t.Errorf("with %s: %v", name, err)
		}
	}
	empty := filepath.Join(t.TempDir(), "empty.crt")
	if err := os.WriteFile(empty, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{empty: "no certificate in " + empty, "/nowhere": "/nowhere"} {
		if _, err := trust([]string{path}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
}

// otherCertificate is an authority that has signed nothing.
func otherCertificate(t *testing.T) []byte {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}

// The process: the operator's help names its subcommands, each of which explains its flags and knows its version.
func TestErrandProcesses(t *testing.T) {
	t.Parallel()
	binary := testenv.Build(t, "operator")[0]
	run := func(args ...string) (string, int) {
		cmd := exec.CommandContext(t.Context(), binary, args...)
		output, _ := cmd.CombinedOutput()
		return string(output), cmd.ProcessState.ExitCode()
	}
	for name, flags := range map[string][]string{
		"passwords": {"--secret", "--keys", "--label"},
		"retire":    {"--deployment", "--namespaces", "--timeout", "(default 2m0s)"},
		"try":       {"--name", "--ingest-url", "--persistence-url", "--auth-url", "--ca-file", "--timeout", "(default theeye-try)"},
	} {
		if help, code := run("-h"); code != 0 || !strings.Contains(help, "operator "+name+" ") {
			t.Errorf("-h ends with %d and does not name %s", code, name)
		}
		help, code := run(name, "-h")
		for _, want := range append(flags, "operator "+name+" ", "--namespace ", "--kubeconfig ", "[THEEYE_NAMESPACE]") {
			if code != 0 || !strings.Contains(help, want) {
				t.Errorf("%s -h ends with %d and does not tell of %s", name, code, want)
			}
		}
		if version, code := run(name, "--version"); code != 0 || version != "operator "+name+" "+ops.Version+"\n" {
			t.Errorf("%s --version ends with %d and %s", name, code, version)
		}
		if said, code := run(name, "--namespace=N"); code != 2 || !strings.Contains(said, "see operator "+name+" -h") {
			t.Errorf("bad flags of %s end with %d and %s", name, code, said)
		}
	}
	if said, code := run("retire", "--namespace=n", "--deployment=d", "--kubeconfig=/nowhere"); code != 1 || !strings.Contains(said, "/nowhere") {
		t.Errorf("a kubeconfig that is not there ends with %d and %s", code, said)
	}
	if said, code := run("again"); code != 2 || !strings.Contains(said, `unexpected argument "again"`) {
		t.Errorf("an unknown command ends with %d and %s", code, said)
	}
}
