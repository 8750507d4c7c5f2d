package ops

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Proxies are the networks whose word is taken for where a request came from; as a flag, a list with commas.
type Proxies []netip.Prefix

// String is the list.
func (p Proxies) String() string {
	texts := make([]string, len(p))
	for i, network := range p {
		texts[i] = network.String()
	}
	return strings.Join(texts, ",")
}

// Set takes a list of networks (10.0.0.0/8) and addresses, which replaces the one before. A network that holds every
// address, of IPv4 or of IPv6, is refused: any sender could then say that it is another.
func (p *Proxies) Set(list string) error {
	*p = nil
	for text := range strings.SplitSeq(list, ",") {
		text = strings.TrimSpace(text)
		if text == "" {
			continue
		}
		network, err := parseNetwork(text)
		if err != nil {
			return fmt.Errorf("%q is neither a network nor an address", text)
		}
		if network.Bits() == 0 {
			return fmt.Errorf("%q holds every address: name the proxies' own", text)
		}
		*p = append(*p, network.Masked())
	}
	return nil
}

// parseNetwork reads a network or an address. Addresses of IPv4 that are written as IPv6 (::ffff:10.0.0.0/104) are those
// of IPv4, as connections have them.
func parseNetwork(text string) (netip.Prefix, error) {
	const mapped = 96 // bits before the IPv4 address
	network, err := netip.ParsePrefix(text)
	if address, single := netip.ParseAddr(text); single == nil && address.Zone() == "" { // connections are compared without
		network, err = netip.PrefixFrom(address, address.BitLen()), nil
	}
	if err == nil && network.Addr().Is4In6() && network.Bits() >= mapped {
		network = netip.PrefixFrom(network.Addr().Unmap(), network.Bits()-mapped)
	}
	return network, err
}

// Client returns the address that a request came from: the connection's, or where that is a proxy's, the last one in
// X-Forwarded-For that is none. What stands before it, anybody could have written. It is the zero Addr where a
// connection has no address.
func (p Proxies) Client(r *http.Request) netip.Addr {
	peer, _ := netip.ParseAddrPort(r.RemoteAddr)
	client := peer.Addr().Unmap().WithZone("")
	for _, line := range slices.Backward(r.Header["X-Forwarded-For"]) {
		for more := true; more; {
			if !p.contain(client) {
				return client
			}
			var last string
			line, last, more = cutLast(line)
			address, err := parseHop(last)
			if err != nil {
				return client // what a proxy did not understand is believed no further
			}
			client = address
		}
	}
	return client
}

func (p Proxies) contain(address netip.Addr) bool {
	return slices.ContainsFunc(p, func(network netip.Prefix) bool { return network.Contains(address) })
}

// cutLast cuts the last element off a list with commas.
func cutLast(list string) (before, last string, more bool) {
	i := strings.LastIndexByte(list, ',')
	return list[:max(i, 0)], strings.TrimSpace(list[i+1:]), i >= 0
}

// parseHop reads an address of X-Forwarded-For; some proxies add the port, or brackets around an address of IPv6.
func parseHop(text string) (netip.Addr, error) {
	if strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]") {
		text = text[1 : len(text)-1]
	}
	address, err := netip.ParseAddr(text)
	if err != nil {
		withPort, failed := netip.ParseAddrPort(text)
		address, err = withPort.Addr(), failed
	}
	return address.Unmap().WithZone(""), err
}
