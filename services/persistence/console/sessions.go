package console

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// idle is how long a session lives that nobody uses: a lunch, and not a night.
	idle = 2 * time.Hour
	// absolute is how long it lives at all: a working day.
	absolute = 12 * time.Hour
	// noted is how often its use is written down: a page writes nothing, as a rule.
	noted = 5 * time.Minute
	// perOwner is how many sessions one may have, on all devices; the oldest go. Only who has a right token makes any, and
	// so the table has as many as there are people, times this.
	perOwner = 20
	// purgeEvery is how often those are deleted that have expired.
	purgeEvery = 10 * time.Minute
	// idBytes are as many as nobody guesses.
	idBytes = 32
	// keyInfo binds the derived key to its one use.
	keyInfo = "theeye console session token"
)

// Sessions keeps who is logged in, in PostgreSQL, so that every replica knows. A row alone opens nothing: the token in it
// is encrypted under a key that only the browser's cookie gives.
type Sessions struct {
	pool *pgxpool.Pool
	now  func() time.Time
	log  *slog.Logger
}

// NewSessions returns the sessions of a database that persistence has migrated.
func NewSessions(pool *pgxpool.Pool, now func() time.Time, log *slog.Logger) *Sessions {
	return &Sessions{pool: pool, now: now, log: log}
}

// errNoSession says that there is none: it never was, has ended, or has expired.
var errNoSession = errors.New("there is no such session")

// Begin keeps a token for its owner and returns the session's id, which is told to the browser and nobody else.
func (s *Sessions) Begin(ctx context.Context, owner, token string) (id string, err error) {
	secret := make([]byte, idBytes)
	_, _ = rand.Read(secret) // it never fails
	key := keyOf(secret)
	sealed, err := seal(secret, key, token)
	if err != nil {
		return "", err
	}
	whose := sha256.Sum256([]byte(owner))
	batch := &pgx.Batch{}
	batch.Queue("INSERT INTO persistence.console_sessions (id, owner, token, created_at, used_at) VALUES ($1, $2, $3, $4, $4)",
		key, whose[:], sealed, s.now())
	batch.Queue(`DELETE FROM persistence.console_sessions WHERE id IN (
		SELECT id FROM persistence.console_sessions WHERE owner = $1 ORDER BY created_at DESC, id OFFSET $2)`, whose[:], perOwner)
	if err := s.pool.SendBatch(ctx, batch).Close(); err != nil {
		return "", fmt.Errorf("begin session: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(secret), nil
}

// Token returns a session's token, or errNoSession. That is a use of it.
func (s *Sessions) Token(ctx context.Context, id string) (string, error) {
	token, used, err := s.read(ctx, id)
	if now := s.now(); err == nil && now.Sub(used) > noted {
		secret, _ := base64.RawURLEncoding.DecodeString(id) // it was read
		if _, err := s.pool.Exec(ctx, "UPDATE persistence.console_sessions SET used_at = $2 WHERE id = $1 AND used_at < $2", keyOf(secret), now); err != nil {
			return "", fmt.Errorf("note session: %w", err)
		}
	}
	return token, err
}

// Look returns a session's token, or errNoSession, and is no use of it: what a page asks by itself does not tell that
// anybody is there.
func (s *Sessions) Look(ctx context.Context, id string) (string, error) {
	token, _, err := s.read(ctx, id)
	return token, err
}

// read returns a session's token, and when it was used last as far as that is written down.
func (s *Sessions) read(ctx context.Context, id string) (token string, used time.Time, err error) {
	secret, err := base64.RawURLEncoding.DecodeString(id)
	if err != nil || len(secret) != idBytes {
		return "", used, errNoSession
	}
	now, key := s.now(), keyOf(secret)
	var sealed []byte
	err = s.pool.QueryRow(ctx, "SELECT token, used_at FROM persistence.console_sessions WHERE id = $1 AND created_at > $2 AND used_at > $3",
		key, now.Add(-absolute), now.Add(-idle)).Scan(&sealed, &used)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", used, errNoSession
	}
	if err != nil {
		return "", used, fmt.Errorf("read session: %w", err)
	}
	token, err = unseal(secret, key, sealed)
	return token, used, err
}

// End forgets a session; of one that is none it does nothing.
func (s *Sessions) End(ctx context.Context, id string) error {
	secret, err := base64.RawURLEncoding.DecodeString(id)
	if err != nil {
		return nil //nolint:nilerr // it is none
	}
	if _, err := s.pool.Exec(ctx, "DELETE FROM persistence.console_sessions WHERE id = $1", keyOf(secret)); err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	return nil
}

// Purge deletes what has expired.
func (s *Sessions) Purge(ctx context.Context) error {
	now := s.now()
	_, err := s.pool.Exec(ctx, "DELETE FROM persistence.console_sessions WHERE created_at <= $1 OR used_at <= $2", now.Add(-absolute), now.Add(-idle))
	if err != nil {
		return fmt.Errorf("purge sessions: %w", err)
	}
	return nil
}

// Run purges until the context ends.
func (s *Sessions) Run(ctx context.Context) error {
	ticker := time.NewTicker(purgeEvery)
	defer ticker.Stop()
	for {
		if err := s.Purge(ctx); err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "expired sessions of the console stay", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// keyOf is under what a session is found.
func keyOf(secret []byte) []byte {
	sum := sha256.Sum256(secret)
	return sum[:]
}

// cipherOf derives the key of a session's token from what only the browser has.
func cipherOf(secret []byte) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, secret, nil, keyInfo, 32) // AES-256
	if err != nil {
		return nil, fmt.Errorf("derive key: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("make cipher: %w", err)
	}
	return cipher.NewGCMWithRandomNonce(block) //nolint:wrapcheck // it says all
}

// seal encrypts a token for its row: moved to another one it opens nothing.
func seal(secret, row []byte, token string) ([]byte, error) {
	aead, err := cipherOf(secret)
	if err != nil {
		return nil, err
	}
	return aead.Seal(nil, nil, []byte(token), row), nil //nolint:gosec // it makes a nonce of its own, and takes none
}

func unseal(secret, row, sealed []byte) (string, error) {
	aead, err := cipherOf(secret)
	if err != nil {
		return "", err
	}
	token, err := aead.Open(nil, nil, sealed, row)
	if err != nil {
		return "", errNoSession // somebody has changed the row
	}
	return string(token), nil
}
