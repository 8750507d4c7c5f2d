package ops

import (
	"container/list"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"sync"

	"golang.org/x/time/rate"
)

const (
	// DefaultConnections of a public port: an idle one costs 20 KiB, so that all cost 40 MiB.
	DefaultConnections = 2000
	// sharePerFree is how many connections an address may have for every one that is free: one address alone, as behind
	// a load balancer, has four of five, and leaves the others to those that come directly.
	sharePerFree = 4
	// Of HTTP/2 one connection carries many requests, whose bodies wait in its buffer until they are read.
	maxStreams, maxStreamBuffer = 100, 256 << 10
	// takenBeyond is how many connections a second are taken of an address that has its share already, for each processor,
	// and takenAtOnce how many of them at once. One that replaces another costs some 70 µs: a storm of them has 7 % of the
	// processors, and waits in the kernel.
	takenBeyond, takenAtOnce = 1000, 10
)

// connections bounds those of a server. A new one beyond the bound closes the one of its own address that has waited
// longest for a request, or, when its address has none, anybody's; where nobody waits it is closed itself.
type connections struct {
	limit int
	pace  *rate.Limiter // of those beyond their address' share

	mu    sync.Mutex
	open  map[net.Conn]*connection
	count map[netip.Prefix]int
	idle  *list.List // of *connection, the longest idle first
}

type connection struct {
	conn   net.Conn
	from   netip.Prefix
	idling *list.Element // nil while a request is served
}

func newConnections(limit int) *connections {
	pace := rate.NewLimiter(rate.Limit(takenBeyond*runtime.GOMAXPROCS(0)), takenAtOnce)
	return &connections{limit: limit, pace: pace, open: map[net.Conn]*connection{}, count: map[netip.Prefix]int{}, idle: list.New()}
}

// changed is the server's ConnState hook. Until a request's header is here whole its connection counts as idle: who
// sends headers slowly waits as those who send nothing.
func (c *connections) changed(conn net.Conn, state http.ConnState) {
	if state == http.StateNew && c.full(sourceOf(conn)) {
		_ = c.pace.Wait(context.Background()) // no longer than for one: the server takes no other meanwhile
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	known := c.open[conn]
	switch {
	case state == http.StateNew:
		c.opened(conn)
	case known == nil: // closed by ourselves
	case state == http.StateIdle:
		c.busy(known) // HTTP/2 says it twice
		known.idling = c.idle.PushBack(known)
	case state == http.StateActive:
		c.busy(known)
	default:
		c.forget(known)
	}
}

func (c *connections) opened(conn net.Conn) {
	from := sourceOf(conn)
	if c.hasShare(from) && !c.evict(from) {
		_ = socketOf(conn).Close() // nothing was read of it
		return
	}
	added := &connection{conn: conn, from: from}
	added.idling = c.idle.PushBack(added)
	c.open[conn] = added
	c.count[from]++
}

// full tells whether an address has its share.
func (c *connections) full(from netip.Prefix) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hasShare(from)
}

func (c *connections) hasShare(from netip.Prefix) bool {
	return c.count[from] >= sharePerFree*(c.limit-len(c.open))
}

// evict closes the longest idle connection of an address, or anybody's when the address has none at all.
func (c *connections) evict(from netip.Prefix) bool {
	for e := c.idle.Front(); e != nil; e = e.Next() {
		if victim := e.Value.(*connection); victim.from == from || c.count[from] == 0 { //nolint:forcetypeassert // nothing else is in it
			c.forget(victim)
			_ = socketOf(victim.conn).Close() // its server sees it, and ends
			return true
		}
	}
	return false
}

func (c *connections) busy(known *connection) {
	if known.idling != nil {
		c.idle.Remove(known.idling)
		known.idling = nil
	}
}

func (c *connections) forget(known *connection) {
	c.busy(known)
	delete(c.open, known.conn)
	if c.count[known.from]--; c.count[known.from] == 0 {
		delete(c.count, known.from)
	}
}

// socketOf is what is below TLS, whose own Close may wait for the peer.
func socketOf(conn net.Conn) net.Conn {
	if secure, ok := conn.(*tls.Conn); ok {
		return secure.NetConn()
	}
	return conn
}

// sourceOf is the address that a connection comes from; of IPv6 the /64 that one subscriber has.
func sourceOf(conn net.Conn) netip.Prefix {
	address, ok := conn.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	ip := address.AddrPort().Addr().Unmap()
	bits := 64
	if ip.Is4() {
		bits = 32
	}
	prefix, _ := ip.Prefix(bits) // the bits fit
	return prefix
}
