package registry_test

import (
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/apikey"
	"github.com/theeye-dev/theeye/api/registry"
)

var update = flag.Bool("update", false, "write the golden files")

func golden(t *testing.T, name string, v any) []byte {
	t.Helper()
	got, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	path := "testdata/" + name
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs; if that is meant, run with -update:\n%s", path, diff)
	}
	return want
}

func duration(d time.Duration) *registry.Duration {
	r := registry.Duration(d)
	return &r
}

func application() registry.Application {
	notAfter := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	return registry.Application{
		UID:       uuid.MustParse("6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
		Namespace: "shop", Name: "web-shop", ClientID: "eye_0123456789abcdef01234567", Revision: 42,
		Policy: registry.Policy{
			DisplayName: "Web shop", Suspended: true, Origins: []string{"https://shop.example.com"},
			Limits:     &registry.Limits{EventsPerSecond: 500, Burst: 1000, MaxEventBytes: 65536},
			Timestamps: &registry.Timestamps{MaxFuture: duration(5 * time.Minute), MaxAge: duration(168 * time.Hour)},
			Retention:  duration(2160 * time.Hour), UnknownEvents: registry.RejectUnknown,
			EventTypes: []registry.EventType{
				{Category: "page interaction", Name: "pageview", Schema: json.RawMessage(`{"type":"object","required":["host"]}`)},
				{Category: "form", Name: "submit"},
			},
		},
		Credentials: []registry.Credential{
			{ID: "1", SHA256: registry.Digest(apikey.HashOf("one")), NotAfter: &notAfter},
			{ID: "2", SHA256: registry.Digest(apikey.HashOf("two"))},
		},
	}
}

// The record is read by replicas of the release before and after.
func TestRecordIsStable(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]registry.Application{
		"application.golden": application(),
		"application_least.golden": {
			UID: uuid.Max, Namespace: "n", Name: "a", ClientID: "eye_0123456789abcdef01234567", Revision: 1,
		},
		"application_deleted.golden": {
			UID: uuid.Max, Namespace: "n", Name: "a", ClientID: "eye_0123456789abcdef01234567", Revision: 2, Deleted: true,
		},
	} {
		var got registry.Application
		if err := json.Unmarshal(golden(t, name, want), &got); err != nil {
			t.Fatal(err)
		}
		compact := cmp.Transformer("compact", func(s json.RawMessage) any {
			var v any
			_ = json.Unmarshal(s, &v) // golden files are indented
			return v
		})
		if diff := cmp.Diff(want, got, compact); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestDesiredStateIsStable(t *testing.T) {
	t.Parallel()
	app := application()
	golden(t, "desired_application.golden", registry.DesiredApplication{Namespace: app.Namespace, Name: app.Name, Policy: app.Policy})
	golden(t, "desired_credential.golden", registry.DesiredCredential{SHA256: app.Credentials[0].SHA256, NotAfter: app.Credentials[0].NotAfter})
}

func TestLogNames(t *testing.T) {
	t.Parallel()
	for got, want := range map[string]string{
		registry.LogKey: "theeye:{applications}", registry.LatestKey: "theeye:{applications}:latest",
		registry.FieldRecord: "record", registry.FieldPrevious: "previous", registry.FieldTail: "tail", registry.FieldComplete: "complete",
	} {
		if got != want {
			t.Errorf("name is %q, want %q", got, want)
		}
	}
}

func TestDigest(t *testing.T) {
	t.Parallel()
	const text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
	for _, in := range []string{text, strings.ToUpper(text)} {
		var d registry.Digest
		if err := d.UnmarshalText([]byte(in)); err != nil || d != registry.Digest(apikey.HashOf("abc")) {
			t.Errorf("%s is %x (%v)", in, d, err)
		}
	}
	if got, err := registry.Digest(apikey.HashOf("abc")).MarshalText(); err != nil || string(got) != text {
		t.Errorf("written as %s (%v), want %s", got, err, text)
	}
	for _, in := range []string{"", text[1:], text + "0", text[1:] + "g", " " + text[1:], "0x" + text[2:], text[:62] + " a", text + "\n"} {
		var d registry.Digest
		if err := d.UnmarshalText([]byte(in)); err == nil {
			t.Errorf("%q is taken for %x", in, d)
		}
	}
}

func TestDuration(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]time.Duration{"720h": 720 * time.Hour, "5m": 5 * time.Minute, "1h30m": 90 * time.Minute, "0": 0, "0s": 0} {
		var d registry.Duration
		if err := d.UnmarshalText([]byte(in)); err != nil || time.Duration(d) != want {
			t.Errorf("%s is %v (%v), want %v", in, time.Duration(d), err, want)
		}
		text, err := d.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var again registry.Duration
		if err := again.UnmarshalText(text); err != nil || again != d {
			t.Errorf("%s is written %s and read as %v (%v)", in, text, time.Duration(again), err)
		}
	}
	for _, in := range []string{"", "5", "1d", "5 m", "m", "99999999999h"} {
		d := registry.Duration(time.Second)
		if err := d.UnmarshalText([]byte(in)); err == nil || d != registry.Duration(time.Second) {
			t.Errorf("%q is taken for %v", in, time.Duration(d))
		}
	}
}

// FuzzApplication reads what the log may hold: no panic, and what is read is written and read alike.
func FuzzApplication(f *testing.F) {
	for _, name := range []string{"application.golden", "application_least.golden", "desired_application.golden", "desired_credential.golden"} {
		text, err := os.ReadFile("testdata/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(`{"policy":{"origins":["https://x","//","%"],"retention":"-1h","limits":{"maxEventBytes":-1}}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var desired registry.DesiredApplication
		var credential registry.DesiredCredential
		_ = json.Unmarshal(text, &desired)    // any outcome but a panic
		_ = json.Unmarshal(text, &credential) //
		var app registry.Application
		if json.Unmarshal(text, &app) != nil {
			return
		}
		_ = app.Policy.Validate()
		if app.Policy.MaxEventBytes() == 0 {
			t.Fatal("no event may have any size")
		}
		written, err := json.Marshal(app)
		if err != nil {
			return // a year beyond 9999
		}
		var again registry.Application
		if err := json.Unmarshal(written, &again); err != nil {
			t.Fatalf("%s: %v", written, err)
		}
		rewritten, err := json.Marshal(again)
		if err != nil || string(rewritten) != string(written) {
			t.Fatalf("%s\nbecame\n%s (%v)", written, rewritten, err)
		}
	})
}
