package stream

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/theeye-dev/theeye/services/internal/certificate"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// TestRedisOverTLS is trusted by the authority that signed its certificate and by no other, as a single Redis and as a
// Redis Cluster is asked.
func TestRedisOverTLS(t *testing.T) {
	t.Parallel()
	ca, other := testenv.NewAuthority(t), testenv.NewAuthority(t)
	url := testenv.SecureRedis(t, testenv.Redis(t), ca.Issue(t))
	cluster := url + "?addr=" + strings.TrimPrefix(url[strings.LastIndex(url, "/127"):strings.LastIndex(url, "/")], "/")
	for _, target := range []string{url, cluster} {
		for name, c := range map[string]struct {
			file     string
			distrust string
		}{
			"its authority": {ca.File, ""},
			"another's":     {other.File, "no trusted authority has signed it"},
			"the system's":  {"", "no trusted authority has signed it"},
		} {
			client, err := OpenTrusting(target, c.file, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			err = client.Ping(t.Context()).Err()
			if c.distrust == "" && target == cluster {
				if err == nil || !strings.Contains(err.Error(), "cluster support disabled") { // a single Redis answered
					t.Errorf("%s, as a cluster: %v", name, err)
				}
			} else if (err == nil) != (c.distrust == "") || certificate.Distrust(err) != c.distrust {
				t.Errorf("%s at %s: %v", name, target, err)
			}
			if err := client.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestAuthoritiesOfRedisAreReadAgain: a client that runs trusts a new authority once it is in the file.
func TestAuthoritiesOfRedisAreReadAgain(t *testing.T) {
	t.Parallel()
	ca, other := testenv.NewAuthority(t), testenv.NewAuthority(t)
	file := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.Link(other.File, file); err != nil {
		t.Fatal(err)
	}
	client, err := OpenTrusting(testenv.SecureRedis(t, testenv.Redis(t), ca.Issue(t)), file, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close() //nolint:errcheck // the test's end
	if err := client.Ping(t.Context()).Err(); certificate.Distrust(err) == "" {
		t.Fatalf("before: %v", err)
	}
	if err := os.Rename(ca.File, file); err != nil {
		t.Fatal(err)
	}
	tick, end := time.NewTicker(20*time.Millisecond), time.After(time.Minute)
	defer tick.Stop()
	for err := errors.New("not asked"); err != nil; err = client.Ping(t.Context()).Err() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("after a minute: %v", err)
		}
	}
}

func TestAuthoritiesNeedTLS(t *testing.T) {
	t.Parallel()
	ca := testenv.NewAuthority(t)
	var log bytes.Buffer
	for url, c := range map[string]struct{ file, says string }{
		"redis://u:hunter2@h:1":  {ca.File, "rediss://"},
		"rediss://u:hunter2@h:1": {ca.File + "x", ca.File + "x"},
		"rediss://u:hunter2@h:x": {ca.File, "parse redis url"},
	} {
		client, err := OpenTrusting(url, c.file, slog.New(slog.NewTextHandler(&log, nil)))
		if err == nil {
			_ = client.Close()
		}
		if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error()+log.String(), "hunter2") {
			t.Errorf("%s: %v %s", url, err, log.String())
		}
	}
	client, err := OpenTrusting("redis://h:1", "", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("without a file: %v", err)
	}
	if o := client.(*redis.Client).Options(); o.TLSConfig != nil { //nolint:forcetypeassert // it is one
		t.Error("TLS without rediss://")
	}
	_ = client.Close()
}
