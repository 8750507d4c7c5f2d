// Package servers runs private instances of Redis and PostgreSQL on 127.0.0.1, from the binaries that the machine has.
// Tests use it to have real servers that they may kill; the standalone run uses it to leave servers behind.
//
// A server is a child process in the foreground, never a daemon, so that its pid is known from the start. It keeps its
// data and its port over Restart, and both servers are set up to be as durable as in production: what a test proves
// about a SIGKILL here holds there.
package servers
