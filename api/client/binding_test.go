package client_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/theeye-dev/theeye/api/client"
)

// bind writes a directory of bindings: path → content.
func bind(t *testing.T, files map[string]string) (root string) {
	t.Helper()
	root = t.TempDir()
	for path, content := range files {
		if err := os.MkdirAll(filepath.Join(root, filepath.Dir(path)), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(root, path), content)
	}
	return root
}

func TestFromEnvironment(t *testing.T) { // not parallel: the environment is everybody's
	root := bind(t, map[string]string{
		"db/type": "postgresql", "db/uri": "postgres://",
		"eye/type": "theeye\n", "eye/uri": "http://bound/v1/events\n", "eye/client-id": "eye_1\n", "eye/api-key": "bound\n",
	})
	two := bind(t, map[string]string{"a/type": "theeye", "b/type": "TheEye"})
	none := bind(t, map[string]string{"db/type": "postgresql", "half/uri": "x"})
	for name, c := range map[string]struct {
		env              map[string]string
		url, id, key, is string // is: in the error
	}{
		"binding":   {map[string]string{"SERVICE_BINDING_ROOT": root}, "http://bound/v1/events", "eye_1", "bound\n", ""},
		"variables": {map[string]string{"THEEYE_INGEST_URL": "http://x", "THEEYE_API_KEY": "k", "SERVICE_BINDING_ROOT": root}, "http://x", "", "k", ""},
		"key file": {map[string]string{
			"THEEYE_INGEST_URL": "http://x", "THEEYE_API_KEY_FILE": root + "/eye/api-key", "THEEYE_CLIENT_ID": "i",
		}, "http://x", "i", "bound\n", ""},
		"no key":     {map[string]string{"THEEYE_INGEST_URL": "http://x"}, "", "", "", "neither THEEYE_API_KEY nor"},
		"two":        {map[string]string{"SERVICE_BINDING_ROOT": two}, "", "", "", "/a, "},
		"no binding": {map[string]string{"SERVICE_BINDING_ROOT": none}, "", "", "", "no binding of type theeye"},
		"nothing":    {nil, "", "", "", "neither THEEYE_INGEST_URL nor SERVICE_BINDING_ROOT"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, variable := range []string{"THEEYE_INGEST_URL", "THEEYE_API_KEY", "THEEYE_API_KEY_FILE", "THEEYE_CLIENT_ID", "SERVICE_BINDING_ROOT"} {
				t.Setenv(variable, c.env[variable])
			}
			config, err := client.FromEnvironment()
			if c.is != "" {
				if err == nil || !strings.Contains(err.Error(), c.is) {
					t.Errorf("error %v, want %q", err, c.is)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got, err := config.Key(t.Context())
			if config.URL != c.url || config.ClientID != c.id || got != c.key || err != nil {
				t.Errorf("got %s %s %q %v", config.URL, config.ClientID, got, err)
			}
		})
	}
}

func TestFromBinding(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		files       map[string]string
		id, key, is string
	}{
		"all":           {map[string]string{"uri": "http://x", "client-id": "i", "client-secret": "s", "api-key": "k"}, "i", "k", ""},
		"secret only":   {map[string]string{"uri": "http://x", "client-id": "i", "client-secret": "s"}, "i", "s", ""},
		"no client id":  {map[string]string{"uri": "http://x", "api-key": "k"}, "", "k", ""},
		"no uri":        {map[string]string{"api-key": "k"}, "", "", "uri"},
		"no credential": {map[string]string{"uri": "http://x"}, "", "", "neither api-key nor client-secret"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config, err := client.FromBinding(bind(t, c.files))
			if c.is != "" {
				if err == nil || !strings.Contains(err.Error(), c.is) {
					t.Errorf("error %v, want %q", err, c.is)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got, err := config.Key(t.Context()); config.URL != "http://x" || config.ClientID != c.id || got != c.key || err != nil {
				t.Errorf("got %s %s %q %v", config.URL, config.ClientID, got, err)
			}
		})
	}
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	for url, ok := range map[string]bool{
		"http://x": true, "https://x:8443/": true, "http://x/tenant/v1/events": true,
		"": false, "x": false, "ftp://x": false, "http://": false, "http://user:" + key + "@x": false,
		"http://x?key=" + key: false, "http://x#" + key: false, "http://x/%zz" + key: false,
	} {
		_, err := client.New(client.Config{URL: url, Key: client.StaticKey(key)})
		if (err == nil) != ok || err != nil && strings.Contains(err.Error(), key) {
			t.Errorf("%q: %v", url, err)
		}
	}
	if _, err := client.New(client.Config{URL: "http://x"}); err == nil {
		t.Error("no key is no error")
	}
}
