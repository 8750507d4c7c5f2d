package ops

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// TestWhatIsNoHTTP is answered by net/http itself, before any handler: as api/openapi.yaml and api/problems.md say.
func TestWhatIsNoHTTP(t *testing.T) {
	t.Parallel()
	ports := bind(t, Serving{})
	for name, c := range map[string]struct {
		sent   string
		status int
		body   string
	}{
		"no request line":       {"nonsense\r\n\r\n", 400, "400 Bad Request"},
		"no header":             {"GET / HTTP/1.1\r\nHost: a\r\nno header\r\n\r\n", 400, "400 Bad Request"},
		"no host":               {"GET / HTTP/1.1\r\n\r\n", 400, "400 Bad Request: missing required Host header"},
		"two hosts":             {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "400 Bad Request"},
		"two lengths":           {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400, "400 Bad Request"},
		"another coding":        {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501, "Unsupported transfer encoding"},
		"another version":       {"GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505, "505 HTTP Version Not Supported: unsupported protocol version"},
		"another expectation":   {"POST / HTTP/1.1\r\nHost: a\r\nExpect: more\r\nContent-Length: 1\r\n\r\n1", 417, ""},
		"headers of 24 KiB":     {"GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 24<<10) + "\r\n\r\n", 431, "431 Request Header Fields Too Large"},
		"a path of 24 KiB":      {"GET /" + strings.Repeat("x", 24<<10) + " HTTP/1.1\r\nHost: a\r\n\r\n", 431, "431 Request Header Fields Too Large"},
		"headers of 15 KiB":     {"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX: " + strings.Repeat("x", 15<<10) + "\r\n\r\n", 200, "HTTP/1.1"},
		"what is as it must be": {"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 200, "HTTP/1.1"},
	} {
		status, media, body := converse(t, ports.Public.Addr(), c.sent)
		if status != c.status || body != c.body || body != "" && !strings.HasPrefix(media, "text/plain") {
			t.Errorf("%s is answered %d %s %q", name, status, media, body)
		}
	}
	ca := testenv.NewAuthority(t)
	issued := ca.Issue(t)
	secure := bind(t, Serving{CertFile: issued.CertFile, KeyFile: issued.KeyFile})
	status, _, body := converse(t, secure.Public.Addr(), "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	if status != http.StatusBadRequest || !strings.Contains(body, "HTTP request to an HTTPS server") {
		t.Errorf("in the clear where TLS is spoken: %d %q", status, body)
	}
}

// converse sends bytes, and reads the answer until its connection is closed.
func converse(t *testing.T, address, sent string) (status int, media, body string) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // the test's end
	_ = conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(conn, sent); err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(conn)
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		t.Fatalf("%.60q: %v", sent, err)
	}
	text, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	if more, err := reader.ReadByte(); err == nil {
		t.Errorf("%.60q: the connection goes on with %q", sent, more)
	}
	return response.StatusCode, response.Header.Get("Content-Type"), string(text)
}
