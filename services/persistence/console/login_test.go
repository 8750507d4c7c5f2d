package console

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestOverPlainHTTP: the warning comes where a browser would not keep the cookie, and nowhere else.
func TestOverPlainHTTP(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		host, header, value string
		tls, want           bool
	}{
		{host: "theeye.example", want: true},
		{host: "theeye.example:8080", want: true},
		{host: "10.1.2.3:8080", want: true},
		{host: "[2001:db8::1]:8080", want: true},
		{host: "localhost.example", want: true},
		{host: "theeye.example", tls: true},
		{host: "theeye.example", header: "X-Forwarded-Proto", value: "https"},
		{host: "theeye.example", header: "X-Forwarded-Proto", value: "http", want: true},
		{host: "theeye.example", header: "Sec-Fetch-Site", value: "none"},
		{host: "localhost"},
		{host: "localhost:8080"},
		{host: "theeye.localhost:8080"},
		{host: "127.0.0.1:8080"},
		{host: "127.1.2.3"},
		{host: "[::1]:8080"},
		{host: "[::1]"},
	} {
		r := httptest.NewRequest(http.MethodGet, "/login", nil)
		r.Host = c.host
		if c.tls {
			r.TLS = &tls.ConnectionState{}
		}
		if c.header != "" {
			r.Header.Set(c.header, c.value)
		}
		if got := overPlainHTTP(r); got != c.want {
			t.Errorf("%+v: %t", c, got)
		}
	}
}
