package keyring

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/theeye-dev/theeye/api/registry"
)

const issuer = "https://auth.example.com"

// signs is a key that signs access tokens as auth does.
type signs struct {
	id      string
	private ed25519.PrivateKey
	public  registry.SigningKey
}

func newSigning(t testing.TB, id string) signs {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return signs{id, private, registry.SigningKey{ID: id, Issuer: issuer, PublicKey: public, NotAfter: time.Now().Add(time.Hour)}}
}

// claims of a token that is right: for an application's first credential.
func claims(a registry.Application, now time.Time) registry.TokenClaims {
	return registry.TokenClaims{
		Issuer: issuer, Subject: a.ClientID, ClientID: a.ClientID, Audience: registry.TokenAudience, ID: "jti",
		IssuedAt: now.Unix(), Expires: now.Add(registry.TokenLife).Unix(), Scope: registry.AllScopes.String(),
		Credential: a.Credentials[0].ID, Key: a.Credentials[0].SHA256.Mark(),
	}
}

// parts are what a token is put together from.
type parts struct {
	header, payload any
	sign            func(text []byte) []byte
}

// parts of a token that is right.
func (s signs) parts(c any) parts {
	return parts{
		header:  map[string]any{"alg": "EdDSA", "typ": "at+jwt", "kid": s.id},
		payload: c,
		sign:    func(text []byte) []byte { return ed25519.Sign(s.private, text) },
	}
}

func (p parts) token() string {
	encode := base64.RawURLEncoding.EncodeToString
	header, err := json.Marshal(p.header)
	if err != nil {
		panic(err) //nolint:forbidigo // a test's own mistake
	}
	payload, err := json.Marshal(p.payload)
	if err != nil {
		panic(err) //nolint:forbidigo // a test's own mistake
	}
	text := encode(header) + "." + encode(payload)
	return text + "." + encode(p.sign([]byte(text)))
}

func (s signs) token(c registry.TokenClaims) string { return s.parts(c).token() }

// publish puts signing keys in the log, as auth does.
func (f *fixture) publish(revision int64, keys ...signs) {
	f.Helper()
	record := registry.SigningKeys{Revision: revision}
	for _, k := range keys {
		record.Keys = append(record.Keys, k.public)
	}
	text, err := json.Marshal(record)
	if err != nil {
		f.Fatal(err)
	}
	f.publishRaw(string(text))
}

func (f *fixture) publishRaw(record string) {
	f.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	id, err := redis.NewScript(`
local id = redis.call('XADD', KEYS[1], '*', 'keys', ARGV[1], 'previous', ARGV[2])
redis.call('HSET', KEYS[2], 'keys', ARGV[1], 'tail', id)
return id`).Run(context.Background(), f.client, []string{registry.LogKey, registry.LatestKey}, record, orZero(f.tail)).Text()
	if err != nil {
		f.Fatal(err)
	}
	f.tail = id
}

// errOfToken is the error with which the ring answers a token.
func (f *fixture) errOfToken(token string) error {
	_, err := f.ring.Token(context.Background(), token)
	return err
}
