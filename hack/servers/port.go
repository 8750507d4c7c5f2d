package servers

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

// Free ports are taken from below Linux' ephemeral range (32768 up): a server that was stopped finds its port free
// again, while one of the ephemeral range can meanwhile belong to any outgoing connection, even to a client's own
// attempt to reach the stopped server.
const (
	firstPort = 20000
	lastPort  = 32000
	portTries = 200
)

// given are the ports that this process was given: who was given one may not listen on it yet.
var given sync.Map //nolint:gochecknoglobals // port → true; ports are the whole process'

// FreePort returns a port of 127.0.0.1 on which nothing listens, and another each time.
func FreePort() (int, error) {
	for range portTries {
		port := firstPort + rand.IntN(lastPort-firstPort) //nolint:gosec // no secret
		if _, taken := given.LoadOrStore(port, true); !taken && PortFree(port) {
			return port, nil
		}
	}
	return 0, errors.New("no free port found on 127.0.0.1")
}

// PortFree says whether a server could listen on a port of 127.0.0.1 now.
func PortFree(port int) bool {
	listener, err := net.Listen("tcp", Address(port))
	if err != nil {
		return false
	}
	_ = listener.Close()
	return true
}

// Address is a port of 127.0.0.1 as host:port.
func Address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// choosePort returns the wanted port, or a free one for 0.
func choosePort(wanted int) (int, error) {
	if wanted != 0 {
		return wanted, nil
	}
	port, err := FreePort()
	if err != nil {
		return 0, fmt.Errorf("choose port: %w", err)
	}
	return port, nil
}
