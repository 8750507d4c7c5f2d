package ingest_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/fault"
)

// announce sends the head of a request whose body never comes, and returns what it is answered.
func (d *door) announce(a application, header string) (got answer) {
	d.Helper()
	conn, err := new(net.Dialer).DialContext(d.Context(), "tcp", strings.TrimPrefix(d.url, "http://"))
	d.must(err)
	defer conn.Close() //nolint:errcheck // the answer is all that counts
	_, err = fmt.Fprintf(conn, "POST /v1/events HTTP/1.1\r\nHost: door\r\nAuthorization: Bearer %s\r\nContent-Length: 100000\r\n%s\r\n", a.key, header)
	d.must(err)
	d.must(conn.SetReadDeadline(time.Now().Add(patience)))
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	d.must(err)
	defer response.Body.Close() //nolint:errcheck // only read
	got.status, got.header = response.StatusCode, response.Header
	d.must(json.NewDecoder(response.Body).Decode(&got))
	return got
}

// TestWhatNeedsNoBodyIsToldBeforeIt, and whatever else is wrong with the request: nobody has to send what will not be
// read, and who is suspended costs nothing.
func TestWhatNeedsNoBodyIsToldBeforeIt(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	a, suspended := d.register(nextUID(), registry.Policy{}), d.register(nextUID(), registry.Policy{Suspended: true})
	for _, header := range []string{"", "Content-Type: text/csv\r\n", "Content-Encoding: br\r\n", "Idempotency-Key: \r\n"} {
		if got := d.announce(suspended, header); got.status != http.StatusForbidden || got.Code != "application.suspended" {
			t.Errorf("suspended, with %q answered %d %s", header, got.status, got.Code)
		}
	}
	d.narrowSafe(func() error { return fault.New(fault.CodeUnsafe, "appendonly is no") })
	d.refusesForNow(d.announce(a, ""), "service.unsafe")
	d.refusesForNow(d.announce(a, "Content-Type: text/csv\r\n"), "service.unsafe")
	d.narrowSafe(func() error { return nil })
	if got := d.announce(a, "Content-Type: text/csv\r\n"); got.status != http.StatusUnsupportedMediaType {
		t.Errorf("while all is well answered %d %s", got.status, got.Code)
	}
}
