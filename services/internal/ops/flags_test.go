package ops

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// config has one flag of each sort that services use.
type config struct {
	listen string
	count  int
	wait   time.Duration
	loud   bool
	level  LogLevel
	token  Secret
}

func parseConfig(args []string) (config, error) {
	var c config
	fs := flag.NewFlagSet("demo", flag.ContinueOnError)
	fs.StringVar(&c.listen, "listen", ":8080", "public `address`")
	fs.IntVar(&c.count, "count", 4, "`number` of things")
	fs.DurationVar(&c.wait, "wait-time", time.Second, "how `long`")
	fs.BoolVar(&c.loud, "loud", false, "shout")
	fs.Var(&c.level, "log-level", "`level`")
	SecretVar(fs, &c.token, "token", "`token` of all")
	err := ParseFlags(fs, "shows flags", args)
	return c, err
}

// TestParseFlags sets the environment, and so runs alone.
func TestParseFlags(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("from file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		env   map[string]string
		args  []string
		want  string // listen count wait loud level token
		fails []string
	}{
		"defaults":              {want: ":8080 4 1s false INFO "},
		"flags":                 {args: []string{"--listen", ":1", "-count=2", "--wait-time", "5m", "--loud", "--log-level=debug", "--token", "t"}, want: ":1 2 5m0s true DEBUG t"},
		"environment":           {env: map[string]string{"LISTEN": ":2", "COUNT": "3", "WAIT_TIME": "2s", "LOUD": "true", "LOG_LEVEL": "warn", "TOKEN": " e \n"}, want: ":2 3 2s true WARN e"},
		"the flag wins":         {env: map[string]string{"LISTEN": ":2", "TOKEN": "e"}, args: []string{"--listen=:1", "--token=t"}, want: ":1 4 1s false INFO t"},
		"secret file":           {args: []string{"--token-file", file}, want: ":8080 4 1s false INFO from file"},
		"secret file by env":    {env: map[string]string{"TOKEN_FILE": file}, want: ":8080 4 1s false INFO from file"},
		"flag before env file":  {env: map[string]string{"TOKEN_FILE": file}, args: []string{"--token=t"}, want: ":8080 4 1s false INFO t"},
		"file flag before env":  {env: map[string]string{"TOKEN": "e"}, args: []string{"--token-file", file}, want: ":8080 4 1s false INFO from file"},
		"unknown flag":          {args: []string{"--lisen=:1"}, fails: []string{"-lisen"}},
		"not a number":          {args: []string{"--count=x"}, fails: []string{"-count", `"x"`}},
		"not a number, env":     {env: map[string]string{"COUNT": "x"}, fails: []string{"THEEYE_COUNT"}},
		"everything wrong":      {env: map[string]string{"COUNT": "x", "LOUD": "loud"}, args: []string{"--what"}, fails: []string{"THEEYE_COUNT", "THEEYE_LOUD", "-what"}},
		"an argument":           {args: []string{"--loud", "serve"}, fails: []string{`"serve"`}},
		"no such file":          {args: []string{"--token-file", file + "x"}, fails: []string{"token-file", "no such file"}},
		"no such level":         {args: []string{"--log-level=chatty"}, fails: []string{"log-level", "chatty"}},
		"a version by env":      {env: map[string]string{"VERSION": "true"}, want: ":8080 4 1s false INFO "},
		"environment of others": {env: map[string]string{"UNKNOWN": "x"}, want: ":8080 4 1s false INFO "},
	} {
		t.Run(name, func(t *testing.T) {
			for key, value := range c.env {
				t.Setenv("THEEYE_"+key, value)
			}
			got, err := parseConfig(c.args)
			if len(c.fails) == 0 {
				all := fmt.Sprint(got.listen, " ", got.count, " ", got.wait, " ", got.loud, " ", got.level, " ", got.token.Reveal())
				if diff := cmp.Diff(c.want, all); diff != "" || err != nil {
					t.Errorf("%v (-want +got):\n%s", err, diff)
				}
				return
			}
			for _, says := range c.fails {
				if err == nil || errors.Is(err, ErrHelp) || !strings.Contains(err.Error(), says) {
					t.Errorf("got %v, want %s named", err, says)
				}
			}
		})
	}
}

// TestHelp takes standard output over, and so runs alone.
func TestHelp(t *testing.T) {
	t.Setenv("THEEYE_TOKEN", "hunter2")
	t.Setenv("THEEYE_LISTEN", "from-env")
	for _, arg := range []string{"-h", "--help", "--version"} {
		output := captured(t, func() {
			if _, err := parseConfig([]string{arg}); !errors.Is(err, ErrHelp) {
				t.Errorf("%s: %v", arg, err)
			}
		})
		if arg == "--version" {
			if output != "demo "+Version+"\n" {
				t.Errorf("version prints %q", output)
			}
			continue
		}
		for _, says := range []string{
			"demo", "shows flags", "--listen address [THEEYE_LISTEN]", "(default :8080)", "--count number [THEEYE_COUNT]", "(default 4)",
			"[THEEYE_WAIT_TIME]", "(default 1s)", "[THEEYE_LOUD]", "[THEEYE_LOG_LEVEL]", "(default INFO)",
			"--token token [THEEYE_TOKEN]", "--token-file path [THEEYE_TOKEN_FILE]", "[THEEYE_VERSION]",
		} {
			if !strings.Contains(output, says) {
				t.Errorf("%s does not tell %q:\n%s", arg, says, output)
			}
		}
		if strings.Contains(output, "hunter2") {
			t.Errorf("%s shows a secret", arg)
		}
	}
}

func captured(t *testing.T, act func()) string {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout := os.Stdout
	os.Stdout = w
	defer func() { os.Stdout = stdout }()
	act()
	_ = w.Close()
	output, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(output)
}

// TestSecretNeverShows prints a configuration in every way that could happen by mistake.
func TestSecretNeverShows(t *testing.T) {
	t.Parallel()
	c, err := parseConfig([]string{"--token", "hunter2"})
	if err != nil || c.token.Reveal() != "hunter2" {
		t.Fatal(err)
	}
	exported := struct{ Token Secret }{c.token}
	var shown strings.Builder
	for _, v := range []any{c, &c, c.token, &c.token, exported, &exported, []Secret{c.token}, map[string]config{"c": c}} {
		fmt.Fprintf(&shown, "%v %+v %#v %s %q %d\n", v, v, v, v, v, v)
		j, err := json.Marshal(v)
		shown.Write(j)
		fmt.Fprint(&shown, err)
		slog.New(slog.NewJSONHandler(&shown, nil)).Info("config", "v", v)
		slog.New(slog.NewTextHandler(&shown, nil)).Info("config", "v", v)
	}
	if strings.Contains(shown.String(), "hunter2") {
		t.Errorf("shown in\n%s", shown.String())
	}
	if (Secret{}).Reveal() != "" {
		t.Error("an unset secret has a value")
	}
}
