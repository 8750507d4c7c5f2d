package ingest_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/theeye-dev/theeye/api/registry"
)

// TestRefusalsReachClientsThatSendFirst: a client that writes its whole body before it reads finds the answer, not a
// broken connection.
func TestRefusalsReachClientsThatSendFirst(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	a := d.register(nextUID(), registry.Policy{})
	for name, c := range map[string]struct {
		key    string
		bytes  int
		status int
	}{
		"too large":     {a.key, 12 << 20, http.StatusRequestEntityTooLarge},
		"wrong key":     {"nonsense", 3 << 20, http.StatusUnauthorized},
		"small, wrong":  {"nonsense", 300, http.StatusUnauthorized},
		"barely larger": {a.key, 4<<20 + 1, http.StatusRequestEntityTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, err := net.Dial("tcp", strings.TrimPrefix(d.url, "http://"))
			d.must(err)
			defer conn.Close() //nolint:errcheck // the test's end
			head := fmt.Sprintf("POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", c.key, c.bytes)
			if _, err := io.WriteString(conn, head+strings.Repeat(" ", c.bytes)); err != nil {
				t.Fatalf("the body was not taken: %v", err)
			}
			response, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close() //nolint:errcheck // only read
			if response.StatusCode != c.status {
				t.Errorf("answered %d, want %d", response.StatusCode, c.status)
			}
		})
	}
}

// TestRefusalsAreWholeAtOnce: who asks before sending a body is not kept waiting for the time in which one might come.
func TestRefusalsAreWholeAtOnce(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	conn, err := net.Dial("tcp", strings.TrimPrefix(d.url, "http://"))
	d.must(err)
	defer conn.Close() //nolint:errcheck // the test's end
	_, err = io.WriteString(conn, "POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
	d.must(err)
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	d.must(err)
	defer response.Body.Close() //nolint:errcheck // only read
	begin := time.Now()
	text, err := io.ReadAll(response.Body)
	if waited := time.Since(begin); err != nil || response.StatusCode != http.StatusUnauthorized || waited > time.Second {
		t.Errorf("%s %s, %v, its body after %s", response.Status, text, err, waited)
	}
}
