package kit

import (
	"net/netip"
	"testing"
)

// TestNetworkOf tells which addresses share a budget by what they are, and not by chance.
func TestNetworkOf(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"192.0.2.7":                   "192.0.2.7",
		"192.0.2.8":                   "192.0.2.8",
		"::ffff:192.0.2.7":            "192.0.2.7",
		"::ffff:192.0.2.7%eth0":       "192.0.2.7",
		"2001:db8:1:2:3:4:5:6":        "2001:db8:1:2::",
		"2001:db8:1:2:ffff::1":        "2001:db8:1:2::",
		"2001:db8:1:3::":              "2001:db8:1:3::",
		"fe80::1%eth0":                "fe80::",
		"fe80::2%eth1":                "fe80::",
		"::":                          "::",
		"::1":                         "::",
		"0.0.0.0":                     "0.0.0.0",
		"64:ff9b::192.0.2.7":          "64:ff9b::", // whoever comes through NAT64 shares one, as behind any NAT
		"2001:db8:1:2::ffff:10.0.0.1": "2001:db8:1:2::",
	} {
		if got := networkOf(netip.MustParseAddr(text)); got != netip.MustParseAddr(want) {
			t.Errorf("%s is of %s, want %s", text, got, want)
		}
	}
	if got := networkOf(netip.Addr{}); got != (netip.Addr{}) {
		t.Errorf("no address is of %s", got)
	}
}
