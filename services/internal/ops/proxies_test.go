package ops_test

import (
	"flag"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/theeye-dev/theeye/services/internal/ops"
)

func TestProxiesAsAFlag(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                              "",
		" , ":                           "",
		"10.0.0.0/8":                    "10.0.0.0/8",
		"10.1.2.3/8":                    "10.0.0.0/8",
		"10.1.2.3":                      "10.1.2.3/32",
		" 10.1.2.3 , 192.168.0.0/16,":   "10.1.2.3/32,192.168.0.0/16",
		"2001:db8::/32,2001:db8::1":     "2001:db8::/32,2001:db8::1/128",
		"fe80::1":                       "fe80::1/128",
		"fe80::1%eth0":                  "neither a network nor an address",
		"::ffff:10.1.2.3":               "10.1.2.3/32",
		"::ffff:10.0.0.0/104":           "10.0.0.0/8",
		"0.0.0.0/1":                     "0.0.0.0/1",
		"0.0.0.0/0":                     "holds every address",
		"::/0":                          "holds every address",
		"::ffff:0.0.0.0/96":             "holds every address",
		"10.0.0.0/8,0.0.0.0/0":          "holds every address",
		"10.0.0.0/33":                   "neither a network nor an address",
		"10.0.0/8":                      "neither a network nor an address",
		"fe80::%eth0/64":                "neither a network nor an address",
		"ingress-nginx.example.com":     "neither a network nor an address",
		"10.0.0.1:443":                  "neither a network nor an address",
		"10.0.0.0/8 192.168.0.0/16":     "neither a network nor an address",
		strings.Repeat("10.0.0.1,", 99): strings.TrimSuffix(strings.Repeat("10.0.0.1/32,", 99), ","),
	} {
		var p ops.Proxies
		fs := flag.NewFlagSet("", flag.ContinueOnError)
		fs.Var(&p, "trusted-proxies", "")
		got := p.String()
		if err := p.Set("127.0.0.1"); err == nil { // which the next one replaces, as arguments do the environment's
			if err = fs.Set("trusted-proxies", text); err != nil {
				got = err.Error()
			} else {
				got = p.String()
			}
		}
		if got != want && (want == "" || !strings.Contains(got, want)) {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

// TestWhereARequestComesFrom behind no, one and two proxies, and with whatever a client may write itself.
func TestWhereARequestComesFrom(t *testing.T) {
	t.Parallel()
	const proxy, other, client = "10.0.0.1:5000", "10.0.0.2", "192.0.2.7"
	for name, c := range map[string]struct {
		peer string
		said []string
		want string
	}{
		"no proxy":                          {"192.0.2.7:5000", nil, client},
		"no proxy, and it is said":          {"192.0.2.7:5000", []string{"198.51.100.1"}, client},
		"a proxy that says nothing":         {proxy, nil, "10.0.0.1"},
		"a proxy":                           {proxy, []string{client}, client},
		"what the client wrote":             {proxy, []string{"198.51.100.1, " + client}, client},
		"wrote as a line of its own":        {proxy, []string{"198.51.100.1", client}, client},
		"wrote a proxy's address":           {proxy, []string{other + "," + client}, client},
		"two proxies":                       {proxy, []string{"198.51.100.1, " + client + "," + other}, client},
		"two proxies, in lines":             {proxy, []string{"198.51.100.1", client, other}, client},
		"a client among the proxies":        {proxy, []string{"10.9.9.9"}, "10.9.9.9"},
		"proxies alone":                     {proxy, []string{"10.9.9.9 , " + other}, "10.9.9.9"},
		"with a port":                       {proxy, []string{client + ":4711"}, client},
		"IPv6":                              {proxy, []string{"2001:db8::7"}, "2001:db8::7"},
		"IPv6 in brackets":                  {proxy, []string{"[2001:db8::7]"}, "2001:db8::7"},
		"IPv6 with a port":                  {proxy, []string{"[2001:db8::7]:4711"}, "2001:db8::7"},
		"IPv4 as IPv6":                      {proxy, []string{"::ffff:192.0.2.7"}, client},
		"a proxy, IPv4 as IPv6":             {"[::ffff:10.0.0.1]:5000", []string{client}, client},
		"a proxy of IPv6":                   {"[2001:db8:1::1]:5000", []string{client}, client},
		"a zone":                            {"[fe80::1%eth0]:5000", []string{client}, "fe80::1"},
		"unknown":                           {proxy, []string{"unknown"}, "10.0.0.1"},
		"unknown to the second proxy":       {proxy, []string{client + ", unknown, " + other}, other},
		"nothing between commas":            {proxy, []string{client + ",," + other}, other},
		"a comma at the end":                {proxy, []string{client + ","}, "10.0.0.1"},
		"an empty line after":               {proxy, []string{client, ""}, "10.0.0.1"},
		"half in brackets":                  {proxy, []string{"[2001:db8::7"}, "10.0.0.1"},
		"a name":                            {proxy, []string{"client.example.com"}, "10.0.0.1"},
		"a socket without an address":       {"@", []string{client}, "invalid IP"},
		"ten thousand proxies":              {proxy, []string{client + strings.Repeat(",10.0.0.2", 10_000)}, client},
		"ten thousand, and one is unlisted": {proxy, []string{client + strings.Repeat(",10.0.0.2", 10_000) + ",203.0.113.1"}, "203.0.113.1"},
	} {
		var p ops.Proxies
		if err := p.Set("10.0.0.0/8,2001:db8:1::/48"); err != nil {
			t.Fatal(err)
		}
		if got := p.Client(said(c.peer, c.said...)).String(); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func said(peer string, lines ...string) *http.Request {
	return &http.Request{RemoteAddr: peer, Header: http.Header{"X-Forwarded-For": lines}}
}

// FuzzForwardedFor holds that no client gets a say: whatever it writes before what its proxy adds changes nothing, and
// what comes from no proxy is never believed.
func FuzzForwardedFor(f *testing.F) {
	for _, text := range []string{"", "192.0.2.7", "10.0.0.2, 192.0.2.7", "[2001:db8::7]:80", ",", "unknown", "::ffff:10.0.0.2", "fe80::1%a,b"} {
		f.Add(text, text)
	}
	var p ops.Proxies
	if err := p.Set("10.0.0.0/8,2001:db8:1::/48"); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		proxy, client := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("203.0.113.9")
		if got := p.Client(said("203.0.113.9:1", first, second)); got != client {
			t.Errorf("not from a proxy: %s", got)
		}
		if got := p.Client(said("10.0.0.1:1", first, second+", 203.0.113.9")); got != client {
			t.Errorf("before what the proxy added: %s", got)
		}
		if got := p.Client(said("10.0.0.1:1", first, second+",203.0.113.9, 10.0.0.2")); got != client {
			t.Errorf("before what two proxies added: %s", got)
		}
		got := p.Client(said("10.0.0.1:1", first, second))
		if !got.IsValid() || got.Is4In6() || got.Zone() != "" {
			t.Errorf("%q, %q: %s", first, second, got)
		}
		if got != proxy && !strings.ContainsAny(first+second, "0123456789:") {
			t.Errorf("%q, %q: %s was made up", first, second, got)
		}
	})
}
