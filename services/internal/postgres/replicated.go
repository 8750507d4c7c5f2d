package postgres

import (
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// ErrUnreplicated says that a transaction is committed on this server, and was to be on a standby as well (the server's
// synchronous_standby_names), which nobody has confirmed: whoever waits for that is cut short by a time-out, and
// PostgreSQL then answers COMMIT as if all were well, with no more than a warning.
var ErrUnreplicated = errors.New("committed, and not confirmed by a standby")

// warned is the key of a connection's last warning.
const warned = "theeye.warned"

// noteWarning keeps that a connection was warned: 01000 is the warning that has no code of its own.
func noteWarning(conn *pgconn.PgConn, n *pgconn.Notice) {
	if n.Code == "01000" {
		conn.CustomData()[warned] = true
	}
}

// ForgetWarning makes Replicated tell of what comes from now on.
func ForgetWarning(conn *pgx.Conn) { delete(conn.PgConn().CustomData(), warned) }

// Replicated answers ErrUnreplicated when a connection of a pool of Open was warned since ForgetWarning, which is to be
// called before COMMIT.
func Replicated(conn *pgx.Conn) error {
	if _, ok := conn.PgConn().CustomData()[warned]; ok {
		return ErrUnreplicated
	}
	return nil
}
