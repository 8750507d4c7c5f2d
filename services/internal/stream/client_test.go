package stream

import (
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

func TestOpenRefusesWithoutShowingThePassword(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"", "x", "http://:hunter2@h:1", "redis://:hunter2@h:1/x", "redis://u:hunter2@h:port", "redis://u:hunter2%zz@h:1",
		"redis://u:hunter2@h:1?read_timeout=hunter2", "redis://u:hunter2@h:1?addr=h:2&hunter2=1", "http://u:hunter2@h:1?addr=h:2",
		"redis://u:hun\x01ter2@h:1",
	} {
		client, err := Open(url)
		if err == nil {
			t.Errorf("%q: opened %T", url, client)
			_ = client.Close()
			continue
		}
		if strings.Contains(err.Error(), "hun") || !strings.Contains(err.Error(), "redis://") {
			t.Errorf("%q: %v", url, err)
		}
	}
}

// TestOpenSettings guards what the promises rest on: no command is repeated by the client itself.
func TestOpenSettings(t *testing.T) {
	t.Parallel()
	single, err := Open("rediss://u:p@h:1/2?max_retries=5&read_timeout=1h")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = single.Close() }()
	cluster, err := Open("redis://u:p@h:1?addr=h:2&addr=h:3&max_retries=5")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cluster.Close() }()
	s, c := single.(*redis.Client).Options(), cluster.(*redis.ClusterClient).Options()
	if s.MaxRetries > 0 || s.ReadTimeout != readTimeout || !s.ContextTimeoutEnabled || s.TLSConfig == nil || s.DB != 2 {
		t.Errorf("single: %+v", s)
	}
	if c.MaxRetries > 0 || c.ReadTimeout != readTimeout || !c.ContextTimeoutEnabled || len(c.Addrs) != 3 {
		t.Errorf("cluster: %+v", c)
	}
}
