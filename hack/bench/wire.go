package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// wireConn is an HTTP/1.1 client on one kept connection that does just enough: it writes requests that were built
// before and reads answers into memory that it uses again. net/http's client costs more than the handlers under test.
type wireConn struct {
	conn net.Conn
	in   *bufio.Reader
	body []byte
}

const (
	dialTimeout = 5 * time.Second
	readBuffer  = 16 << 10 // holds the verdicts of 100 events
)

func dialWire(address string) (*wireConn, error) {
	conn, err := net.DialTimeout("tcp", address, dialTimeout)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	return &wireConn{conn: conn, in: bufio.NewReaderSize(conn, readBuffer)}, nil
}

// newRequest is the bytes of a POST.
func newRequest(host, path, authorization string, body []byte) []byte {
	head := fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nAuthorization: %s\r\nContent-Type: application/json\r\n"+
		"Content-Length: %d\r\n\r\n", path, host, authorization, len(body))
	return append(head, body...)
}

// exchange sends a request and reads its answer. The body is valid until the next call.
func (c *wireConn) exchange(request []byte) (status int, body []byte, err error) {
	if _, err := c.conn.Write(request); err != nil {
		return 0, nil, fmt.Errorf("send request: %w", err)
	}
	line, err := c.line()
	if err != nil {
		return 0, nil, err
	}
	const codeAt, codeEnd = len("HTTP/1.1 "), len("HTTP/1.1 202")
	if len(line) < codeEnd || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
		return 0, nil, fmt.Errorf("not an HTTP/1.1 answer: %q", line)
	}
	if status, err = strconv.Atoi(string(line[codeAt:codeEnd])); err != nil {
		return 0, nil, fmt.Errorf("read status: %w", err)
	}
	length, err := c.headers()
	if err != nil {
		return status, nil, err
	}
	if length == chunked {
		err = c.readChunks()
	} else {
		c.body, err = c.readInto(c.body[:0], length)
	}
	return status, c.body, err
}

// chunked is the length of a body that tells its length in pieces.
const chunked = -1

// headers reads to the blank line and answers the body's length.
func (c *wireConn) headers() (length int, err error) {
	for {
		line, err := c.line()
		if err != nil || len(line) == 0 {
			return length, err
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(value)); err != nil {
				return 0, fmt.Errorf("read Content-Length: %w", err)
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			length = chunked
		}
	}
}

func (c *wireConn) readChunks() error {
	c.body = c.body[:0]
	for {
		line, err := c.line()
		if err != nil {
			return err
		}
		size, err := strconv.ParseUint(string(line), 16, 31)
		if err != nil {
			return fmt.Errorf("read chunk size: %w", err)
		}
		if c.body, err = c.readInto(c.body, int(size)); err != nil {
			return err
		}
		if line, err = c.line(); err != nil || len(line) != 0 {
			return errors.Join(err, expectBlank(line))
		}
		if size == 0 {
			return nil
		}
	}
}

func expectBlank(line []byte) error {
	if len(line) == 0 {
		return nil
	}
	return fmt.Errorf("%q where a chunk should end", line)
}

// readInto appends n bytes of the answer.
func (c *wireConn) readInto(dst []byte, n int) ([]byte, error) {
	start := len(dst)
	if need := start + n; need > cap(dst) {
		dst = append(make([]byte, 0, 2*need), dst...)
	}
	dst = dst[:start+n]
	if _, err := io.ReadFull(c.in, dst[start:]); err != nil {
		return dst[:start], fmt.Errorf("read answer: %w", err)
	}
	return dst, nil
}

// line reads one line without its end; it is valid until the next read.
func (c *wireConn) line() ([]byte, error) {
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	return bytes.TrimRight(line, "\r\n"), nil
}

func (c *wireConn) close() { _ = c.conn.Close() }
