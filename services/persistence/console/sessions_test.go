package console

import (
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/theeye-dev/theeye/services/internal/postgres"
	"github.com/theeye-dev/theeye/services/internal/testenv"
	"github.com/theeye-dev/theeye/services/persistence"
)

const secretToken = "a-token-that-nobody-else-may-know"

// cupboard is a migrated database with sessions, whose clock a test moves.
type cupboard struct {
	*testing.T
	*Sessions
	pool  *pgxpool.Pool
	clock time.Time
}

func newCupboard(t *testing.T) *cupboard {
	t.Helper()
	pool, err := postgres.Open(t.Context(), postgres.Options{URL: testenv.Postgres(t), MaxConns: 4})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	if err := persistence.NewPostgres(pool, "first", slog.New(slog.DiscardHandler)).Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := &cupboard{T: t, pool: pool, clock: time.Now().Truncate(time.Second)}
	c.Sessions = NewSessions(pool, func() time.Time { return c.clock }, slog.New(slog.DiscardHandler))
	return c
}

func (c *cupboard) begin(owner string) string {
	c.Helper()
	id, err := c.Begin(c.Context(), owner, secretToken)
	if err != nil {
		c.Fatal(err)
	}
	return id
}

// there tells whether a session is; any other error ends the test.
func (c *cupboard) there(id string) bool {
	c.Helper()
	token, err := c.Token(c.Context(), id)
	if err != nil && !errors.Is(err, errNoSession) {
		c.Fatal(err)
	}
	if err == nil && token != secretToken {
		c.Fatalf("the token is %q", token)
	}
	return err == nil
}

func (c *cupboard) rows() (n int) {
	c.Helper()
	if err := c.pool.QueryRow(c.Context(), "SELECT count(*) FROM persistence.console_sessions").Scan(&n); err != nil {
		c.Fatal(err)
	}
	return n
}

// TestSessionsExpire without use, and in any case.
func TestSessionsExpire(t *testing.T) {
	t.Parallel()
	c := newCupboard(t)
	unused, used := c.begin("a"), c.begin("b")
	for elapsed := time.Duration(0); elapsed < absolute; elapsed += idle / 2 {
		if !c.there(used) {
			t.Fatalf("a session that is used ends after %s", elapsed)
		}
		if got := elapsed < idle; elapsed != 0 && elapsed != idle/2 && c.there(unused) != got {
			t.Errorf("a session that is not used is there after %s: %t", elapsed, !got)
		}
		c.clock = c.clock.Add(idle / 2)
	}
	if c.there(used) {
		t.Error("a session does not end")
	}
	if err := c.Purge(t.Context()); err != nil || c.rows() != 0 {
		t.Errorf("%d rows are left: %v", c.rows(), err)
	}
}

// TestLookingIsNoUse: a page that only looks, as a live tail does that somebody has left open, keeps no session alive.
func TestLookingIsNoUse(t *testing.T) {
	t.Parallel()
	c := newCupboard(t)
	id := c.begin("a")
	for c.clock = c.clock.Add(noted); ; c.clock = c.clock.Add(noted) {
		token, err := c.Look(c.Context(), id)
		if errors.Is(err, errNoSession) {
			break
		}
		if err != nil || token != secretToken {
			t.Fatalf("looking finds %q, %v", token, err)
		}
	}
	if c.there(id) {
		t.Error("a session that was looked at alone has ended, and is there")
	}
	used := c.begin("a")
	c.clock = c.clock.Add(idle - time.Second)
	if !c.there(used) {
		t.Fatal("a session ends too early")
	}
	c.clock = c.clock.Add(idle - time.Second)
	if _, err := c.Look(c.Context(), used); err != nil {
		t.Errorf("a session that was used is not there: %v", err)
	}
}

// TestSessionsAreBounded for each owner, whose oldest go; others' stay.
func TestSessionsAreBounded(t *testing.T) {
	t.Parallel()
	c := newCupboard(t)
	other := c.begin("other")
	var ids []string
	for range perOwner + 5 {
		c.clock = c.clock.Add(time.Millisecond)
		ids = append(ids, c.begin("one"))
	}
	for i, id := range ids {
		if c.there(id) != (i >= 5) {
			t.Errorf("session %d is there: %t", i, i < 5)
		}
	}
	if !c.there(other) || c.rows() != perOwner+1 {
		t.Errorf("%d rows are there", c.rows())
	}
}

// TestARowOpensNothing: what the database has tells no token, and no session's id; moved to another row it opens nothing.
func TestARowOpensNothing(t *testing.T) {
	t.Parallel()
	c := newCupboard(t)
	mine, other := c.begin("one"), c.begin("two")
	secret, err := base64.RawURLEncoding.DecodeString(mine)
	if err != nil || len(secret) != idBytes {
		t.Fatal(err)
	}
	var dump string
	if err := c.pool.QueryRow(t.Context(), "SELECT string_agg(t::text || encode(id || owner || token, 'escape'), ' ') FROM persistence.console_sessions t").Scan(&dump); err != nil {
		t.Fatal(err)
	}
	for _, told := range []string{secretToken, mine, string(secret), "one"} {
		if strings.Contains(dump, told) {
			t.Errorf("the table tells %q", told)
		}
	}
	ctx := context.Background()
	_, err = c.pool.Exec(ctx, "UPDATE persistence.console_sessions SET token = (SELECT token FROM persistence.console_sessions WHERE id = $1) WHERE id = $2",
		keyOf(secret), keyOf(must(base64.RawURLEncoding.DecodeString(other))))
	if err != nil {
		t.Fatal(err)
	}
	if c.there(other) {
		t.Error("a token that was moved to another row opens it")
	}
	for _, id := range []string{"", "x", mine[:len(mine)-2], mine + "A", strings.Repeat("A", 43), base64.RawURLEncoding.EncodeToString(keyOf(secret))} {
		if c.there(id) {
			t.Errorf("%q is a session", id)
		}
	}
	if err := c.End(ctx, mine); err != nil || c.there(mine) {
		t.Errorf("an ended session is there: %v", err)
	}
}

func must(b []byte, err error) []byte {
	if err != nil {
		return nil
	}
	return b
}
