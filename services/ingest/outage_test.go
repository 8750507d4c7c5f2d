package ingest_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/theeye-dev/theeye/api/apikey"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// refused checks a problem document that asks to try again.
func (d *door) refusesForNow(got answer, code string) {
	d.Helper()
	if got.status != http.StatusServiceUnavailable || got.Code != code || got.header.Get("Retry-After") == "" {
		d.Errorf("answered %d %s (Retry-After %q), want 503 %s", got.status, got.body, got.header.Get("Retry-After"), code)
	}
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	a, b := d.register(nextUID(), registry.Policy{}), d.register(nextUID(), registry.Policy{})
	suspended := d.register(nextUID(), registry.Policy{Suspended: true})
	basic := func(user, password string) string {
		r := http.Request{Header: http.Header{}}
		r.SetBasicAuth(user, password)
		return r.Header.Get("Authorization")
	}
	for name, c := range map[string]struct {
		authorization string
		status        int
	}{
		"API key":             {"Bearer " + a.key, 202},
		"scheme in any case":  {"bearer " + a.key, 202},
		"Basic":               {basic(a.ClientID, a.key), 202},
		"nothing":             {"", 401},
		"empty key":           {"Bearer ", 401},
		"mistyped":            {"Bearer " + a.key[:len(a.key)-1] + "-", 401},
		"unknown":             {"Bearer " + apikey.New("test", a.ClientID, "2"), 401},
		"another's key":       {basic(a.ClientID, b.key), 401},
		"no client id":        {basic("", a.key), 401},
		"unknown scheme":      {"Digest " + a.key, 401},
		"Basic of no base64":  {"Basic !!", 401},
		"suspended":           {"Bearer " + suspended.key, 403},
		"suspended by Basic":  {basic(suspended.ClientID, suspended.key), 403},
		"suspended, mistyped": {basic(suspended.ClientID, suspended.key+"x"), 401},
	} {
		t.Run(name, func(t *testing.T) {
			d := &door{T: t, client: d.client, url: d.url}
			got := d.send(http.MethodPost, "/v1/events", strings.NewReader(good), "Authorization", c.authorization)
			if got.status != c.status {
				t.Fatalf("answered %d %s", got.status, got.body)
			}
			challenges := got.header.Values("WWW-Authenticate")
			if c.status == 401 && (len(challenges) != 2 || got.Code != "credential.invalid") {
				t.Errorf("challenges %q, code %s", challenges, got.Code)
			}
			if c.status == 403 && got.Code != "application.suspended" {
				t.Errorf("code %s", got.Code)
			}
		})
	}
	if diff := cmp.Diff(accepted(3), items(d.appended(a.UID))); diff != "" {
		t.Errorf("appended (-want +got):\n%s", diff)
	}
	if got := d.appended(suspended.UID); got != nil {
		t.Errorf("of the suspended application: %+v", got)
	}
	// The credential is looked at before the body, so that strangers cannot make the door read.
	if got := d.send(http.MethodPost, "/v1/events", strings.NewReader("[")); got.status != http.StatusUnauthorized {
		t.Errorf("a stranger's nonsense is answered %d", got.status)
	}
}

func TestPolicyAndCredentialsFollowTheLog(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	a := d.register(nextUID(), registry.Policy{})
	becomes := func(status int) {
		t.Helper()
		d.eventually(func() bool { return d.post(a, good).status == status })
	}
	becomes(http.StatusAccepted)
	record := a.Application
	record.Policy.Suspended = true
	d.log.publish(record)
	becomes(http.StatusForbidden)
	record.Policy.Suspended = false
	d.log.publish(record)
	becomes(http.StatusAccepted)
	ended := time.Now().Add(-time.Second)
	record.Credentials[0].NotAfter = &ended
	d.log.publish(record)
	becomes(http.StatusUnauthorized)
	record.Credentials = nil
	d.log.publish(record)
	becomes(http.StatusUnauthorized)
	record.Deleted = true
	d.log.publish(record)
	becomes(http.StatusUnauthorized)
}

func TestUnknownPathsAndMethods(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	for _, c := range []struct {
		method, path string
		status       int
		code         string
	}{
		{http.MethodGet, "/v1/events", 405, "method_not_allowed"},
		{http.MethodPut, "/v1/events", 405, "method_not_allowed"},
		{http.MethodDelete, "/v1/events", 405, "method_not_allowed"},
		{http.MethodPost, "/v1/event", 404, "not_found"},
		{http.MethodPost, "/v1/events/x", 404, "not_found"},
		{http.MethodGet, "/", 404, "not_found"},
	} {
		got := d.send(c.method, c.path, nil)
		if got.status != c.status || got.Code != c.code || got.Status != c.status || got.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s %s answered %d %s", c.method, c.path, got.status, got.body)
		}
		if allow := got.header.Get("Allow"); (c.status == 405) != (allow == "OPTIONS, POST") {
			t.Errorf("%s %s: Allow %q", c.method, c.path, allow)
		}
	}
}

// TestMethods: every path has the methods that are documented, and says so.
func TestMethods(t *testing.T) {
	t.Parallel()
	testenv.Methods(t, newDoor(t).url, "ingest")
}

func TestNotReadyBeforeTheLogIsComplete(t *testing.T) {
	t.Parallel()
	d := closedDoor(t)
	uid := nextUID()
	key := apikey.New("test", apikey.ClientID(uid), "1")
	a := application{Application: registry.Application{
		UID: uid, Namespace: "shop", Name: "web", ClientID: apikey.ClientID(uid),
		Credentials: []registry.Credential{{ID: "1", SHA256: registry.Digest(apikey.HashOf(key))}},
	}, key: key}
	d.log.publish(a.Application)
	for range 5 {
		d.refusesForNow(d.post(a, good), "service.starting")
	}
	d.log.complete()
	d.eventually(func() bool {
		got := d.post(a, good)
		if got.status == http.StatusUnauthorized {
			t.Fatal("a valid client was told that its credential is wrong")
		}
		return got.status == http.StatusAccepted
	})
}

func TestUnsafeRedisIsRefused(t *testing.T) {
	t.Parallel()
	d := closedDoor(t, func(client redis.UniversalClient) {
		if err := client.ConfigSet(t.Context(), "appendfsync", "everysec").Err(); err != nil {
			t.Fatal(err)
		}
	})
	d.log.complete()
	a := d.register(nextUID(), registry.Policy{})
	d.eventually(func() bool { return d.keys.Ready() == nil && d.guard.Unsafe() != nil })
	d.refusesForNow(d.post(a, good), "service.unsafe")
	if got := d.appended(a.UID); got != nil {
		t.Errorf("appended %+v", got)
	}
}

func TestFullRedisIsAnswered(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	a := d.register(nextUID(), registry.Policy{})
	d.must(d.client.ConfigSet(t.Context(), "maxmemory", "1").Err())
	d.refusesForNow(d.post(a, good), "service.unavailable")
	d.must(d.client.ConfigSet(t.Context(), "maxmemory", "0").Err())
	if got := d.post(a, good); got.status != http.StatusAccepted {
		t.Errorf("with memory again answered %d %s", got.status, got.body)
	}
	if diff := cmp.Diff(accepted(1), items(d.appended(a.UID))); diff != "" {
		t.Errorf("appended (-want +got):\n%s", diff)
	}
}

// TestFrozenRedis: what waits for a Redis that says nothing is answered within the producer's budget, what comes later
// at once; and all is well again when Redis is.
func TestFrozenRedis(t *testing.T) {
	t.Parallel()
	const budget = 12 * time.Second // twice the producer's: a request may wait for the entry before its own
	d := newDoor(t)
	a := d.register(nextUID(), registry.Policy{})
	d.must(d.redis.Signal(syscall.SIGSTOP))
	thawed := false
	defer func() {
		if !thawed {
			_ = d.redis.Signal(syscall.SIGCONT)
		}
	}()
	begin := time.Now()
	d.refusesForNow(d.post(a, with(`"id":"frozen"`)), "service.unavailable")
	if took := time.Since(begin); took > budget {
		t.Errorf("answered after %s", took)
	}
	begin = time.Now()
	d.refusesForNow(d.post(a, with(`"id":"later"`)), "service.unavailable")
	if took := time.Since(begin); took > time.Second {
		t.Errorf("when it is known that Redis is away, answered after %s", took)
	}
	d.must(d.redis.Signal(syscall.SIGCONT))
	thawed = true
	d.eventually(func() bool { return d.post(a, with(`"id":"frozen"`)).status == http.StatusAccepted })
	for _, r := range d.appended(a.UID) { // of the first attempt too, perhaps: the store settles that
		if len(r.Items) != 1 || string(r.Items[0].Original) != with(`"id":"frozen"`) {
			t.Errorf("appended %+v", r)
		}
	}
}

// TestClientsThatGoAwayDisturbNobody has half of the clients hang up, in the middle of the body or before the answer.
func TestClientsThatGoAwayDisturbNobody(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	a, gone := d.register(nextUID(), registry.Policy{}), d.register(nextUID(), registry.Policy{})
	head := "POST /v1/events HTTP/1.1\r\nHost: door\r\nAuthorization: Bearer " + gone.key + "\r\n"
	half := head + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(good), good[:len(good)/2])
	chunk := head + "Transfer-Encoding: chunked\r\n\r\n" + fmt.Sprintf("%x\r\n%s\r\n", len(good), good) // its end is missing
	whole := head + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(good), good)
	const clients, each = 8, 10
	var wg sync.WaitGroup
	errs := make(chan error, 2*clients*each)
	for client := range clients {
		wg.Go(func() {
			for n := range each {
				errs <- hangUp(d.Context(), strings.TrimPrefix(d.url, "http://"), []string{half, chunk, whole}[n%3])
			}
		})
		wg.Go(func() {
			for n := range each {
				body := with(fmt.Sprintf(`"id":"%d.%d"`, client, n))
				got, err := d.try(http.MethodPost, "/v1/events", strings.NewReader(body), "Authorization", "Bearer "+a.key)
				if err == nil && got.status != http.StatusAccepted {
					err = fmt.Errorf("answered %d %s", got.status, got.body)
				}
				errs <- err
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
	ids := map[string]bool{}
	for _, r := range d.appended(a.UID) {
		ids[string(r.Items[0].Original)] = true
	}
	if len(ids) != clients*each {
		t.Errorf("%d events were appended, want %d", len(ids), clients*each)
	}
	for _, r := range d.appended(gone.UID) {
		if len(r.Items) != 1 || string(r.Items[0].Original) != good {
			t.Errorf("of half a request %+v was appended", r)
		}
	}
}

// hangUp sends text and closes the connection at once.
func hangUp(ctx context.Context, address, text string) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	if _, err := conn.Write([]byte(text)); err != nil {
		return err
	}
	return conn.Close()
}

// TestCutOffBodyIsAnswered: a client that stops sending but still listens is told, and so is one whose chunks are none.
func TestCutOffBodyIsAnswered(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	a := d.register(nextUID(), registry.Policy{})
	const chunked = "Transfer-Encoding: chunked\r\n\r\n"
	chunk := fmt.Sprintf("%x\r\n%s\r\n", len(good), good)
	for name, c := range map[string]struct{ rest, detail string }{
		"shorter than announced": {fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(good)+1, good), "cut off"},
		"chunks without an end":  {chunked + chunk, "cut off"},
		"within a chunk":         {chunked + chunk[:10], "cut off"},
		"no size of a chunk":     {chunked + chunk + "zz\r\n", "chunks are not well formed"},
		"longer than its size":   {chunked + "1\r\n" + good + "\r\n0\r\n\r\n", "chunks are not well formed"},
	} {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(d.url, "http://"))
		d.must(err)
		_, err = fmt.Fprintf(conn, "POST /v1/events HTTP/1.1\r\nHost: door\r\nAuthorization: Bearer %s\r\n%s", a.key, c.rest)
		d.must(err)
		d.must(conn.(*net.TCPConn).CloseWrite())
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		d.must(err)
		body, err := io.ReadAll(response.Body)
		d.must(err)
		d.must(response.Body.Close())
		d.must(conn.Close())
		if response.StatusCode != http.StatusBadRequest || !strings.Contains(string(body), `"code":"request.malformed","detail":"the body`) ||
			!strings.Contains(string(body), c.detail) {
			t.Errorf("%s: answered %d %s", name, response.StatusCode, body)
		}
	}
	if got := d.appended(a.UID); got != nil {
		t.Errorf("appended %+v", got)
	}
}

// TestManyAtOnce posts bodies of very different sizes concurrently: what is reused from request to request must not
// mix them up.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	a := d.register(nextUID(), registry.Policy{})
	const clients, each = 16, 12
	var wg sync.WaitGroup
	var mu sync.Mutex
	want := map[string][]string{} // by the first event's id: all originals of the request
	for client := range clients {
		wg.Go(func() {
			for n := range each {
				var events, short []string
				for i := range 1 + (client*n)%7 {
					e := with(fmt.Sprintf(`"id":"%d.%d.%d","data":{"a":%q}`, client, n, i, strings.Repeat("x", client*n*i*10)))
					verdict := "accepted"
					if (client+n+i)%5 == 0 {
						e, verdict = e[:len(e)-1]+`,"z":0}`, "field.unknown/z"
					}
					events, short = append(events, e), append(short, verdict)
				}
				got, err := d.try(http.MethodPost, "/v1/events", strings.NewReader("["+strings.Join(events, ",")+"]"), "Authorization", "Bearer "+a.key)
				if err != nil || cmp.Diff(short, got.verdicts()) != "" {
					t.Errorf("%d.%d: answered %d %s (%v), want %v", client, n, got.status, got.body, err, short)
				}
				mu.Lock()
				want[events[0]] = events
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	found := map[string][]string{}
	for _, r := range d.appended(a.UID) {
		var originals []string
		for _, item := range r.Items {
			originals = append(originals, string(item.Original))
		}
		found[originals[0]] = originals
	}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Errorf("appended (-want +got):\n%.2000s", diff)
	}
}
