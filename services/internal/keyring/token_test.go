package keyring

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/theeye-dev/theeye/api/apikey"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/atonce"
	"github.com/theeye-dev/theeye/services/internal/fault"
)

// TestTokensFollowTheLog: a token lives as long as its credential and the key that signed it, which a replica knows from
// the snapshot and from the tail.
func TestTokensFollowTheLog(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	first, second := newSigning(t, "first"), newSigning(t, "second")
	a, _ := app("a", 1)
	token := first.token(claims(a, time.Now()))
	if err := f.errOfToken(token); starting(err) != nil {
		t.Errorf("before the log was read: %v", err)
	}
	f.write(a)
	f.complete()
	f.follow()
	f.within(patience, "a log without keys", func() error { return away(f.errOfToken(token)) })
	f.publish(1, first)
	f.within(promise, "the first key", func() error { return f.errOfToken(token) })
	p, err := f.ring.Token(t.Context(), token)
	if err != nil || p.Application.UID != a.UID || p.Credential != "1" || p.Rules == nil || p.Scopes != registry.AllScopes {
		t.Fatalf("principal %+v, %v", p, err)
	}
	f.publish(2, first, second)
	later := second.token(claims(a, time.Now()))
	f.within(promise, "both keys", func() error { return errors.Join(f.errOfToken(token), f.errOfToken(later)) })
	f.publish(1, first)
	b, keyB := app("b", 2)
	f.write(b)
	f.within(promise, "what comes after older keys", func() error { return f.knows(b, keyB) })
	if err := f.errOfToken(later); err != nil {
		t.Errorf("older keys are taken over: %v", err)
	}
	f.publish(3, second)
	f.within(promise, "the first key's end", func() error { return denied(f.errOfToken(token)) })
	if err := f.errOfToken(later); err != nil {
		t.Error(err)
	}

	replaced := a
	replaced.Revision, replaced.Credentials = 3, []registry.Credential{{ID: "1", SHA256: registry.Digest{1}}}
	f.write(replaced)
	f.within(promise, "another key under the credential's id", func() error { return denied(f.errOfToken(later)) })
	f.write(a)
	a.Revision = 4
	f.write(a)
	f.within(promise, "the key again", func() error { return f.errOfToken(later) })
	revoked := a
	revoked.Revision, revoked.Credentials = 5, nil
	f.write(revoked)
	f.within(promise, "a revocation", func() error { return denied(f.errOfToken(later)) })
}

// TestTokensAfterASnapshot reads keys that are in the hash alone, and lives with keys that cannot be read.
func TestTokensAfterASnapshot(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := newSigning(t, "first")
	a, key := app("a", 1)
	token := s.token(claims(a, time.Now()))
	f.write(a)
	f.publish(1, s)
	f.client.Del(t.Context(), registry.LogKey) // of the stream nothing is left
	f.complete()
	f.follow()
	f.within(patience, "the snapshot", func() error { return errors.Join(f.errOfToken(token), f.knows(a, key)) })
	for n, record := range []string{`{"revision":"two"}`, `{"revision":9,"keys":[{"id":"first","issuer":"i","publicKey":"AAAA"}]}`} {
		f.publishRaw(record)
		f.within(promise, "keys that cannot be read", func() error { return errors.Join(away(f.errOfToken(token)), f.knows(a, key)) })
		f.publish(int64(n+3), s)
		f.within(promise, "good ones again", func() error { return f.errOfToken(token) })
	}
}

// fixed is a ring with an application and a signing key, for which time stands still.
func fixed(t testing.TB) (ring *Keyring, s signs, a, b registry.Application, now time.Time) {
	t.Helper()
	now = time.Now()
	s = newSigning(t, "first")
	a, _ = app("a", 1)
	b, _ = app("b", 1)
	past := now.Add(-time.Nanosecond)
	a.Credentials = append(a.Credentials, registry.Credential{ID: "2", SHA256: registry.Digest{2}, NotAfter: &past})
	record, err := json.Marshal(registry.SigningKeys{Revision: 1, Keys: []registry.SigningKey{s.public}})
	if err != nil {
		t.Fatal(err)
	}
	d := draft{signing: nil}
	if d.signing, err = readKeys(nil, string(record)); err != nil {
		t.Fatal(err)
	}
	d.applications = byUID(&a, &b)
	ring = New(func() time.Time { return now })
	ring.ring.Store(d.ring("1-0", nil))
	ring.prove(now)
	return ring, s, a, b, now
}

// TestTokenRefusals has a row for everything that a token can lie about.
func TestTokenRefusals(t *testing.T) {
	t.Parallel()
	ring, s, a, b, now := fixed(t)
	right := claims(a, now)
	stranger := newSigning(t, "first")
	with := func(change func(*registry.TokenClaims)) string {
		c := right
		change(&c)
		return s.token(c)
	}
	headed := func(name string, value any) string {
		p := s.parts(right)
		p.header = maps.Clone(p.header.(map[string]any))
		p.header.(map[string]any)[name] = value
		return p.token()
	}
	claimed := func(text string) string { return s.parts(json.RawMessage(text)).token() }
	good := s.token(right)
	hs256 := s.parts(right)
	hs256.header = map[string]any{"alg": "HS256", "typ": "at+jwt", "kid": "first"}
	hs256.sign = func(text []byte) []byte {
		mac := hmac.New(sha256.New, s.public.PublicKey)
		mac.Write(text)
		return mac.Sum(nil)
	}
	none := s.parts(right)
	none.header = map[string]any{"alg": "none", "typ": "at+jwt", "kid": "first"}
	none.sign = func([]byte) []byte { return nil }
	cut := strings.LastIndexByte(good, '.')
	other := strings.Split(s.token(claims(b, now)), ".")

	const notOurs, notEd25519, forged, revoked = "neither an API key nor", "not signed with Ed25519", "not signed by auth", "is revoked"
	for name, c := range map[string]struct{ token, says string }{
		"right":                         {good, ""},
		"expired a minute ago":          {with(func(c *registry.TokenClaims) { c.Expires = now.Add(-maxSkew).Unix() }), "has expired"},
		"just expired":                  {with(func(c *registry.TokenClaims) { c.Expires = now.Add(2*time.Second - maxSkew).Unix() }), ""},
		"no exp":                        {with(func(c *registry.TokenClaims) { c.Expires = 0 }), "has expired"},
		"of the future":                 {with(func(c *registry.TokenClaims) { c.IssuedAt = now.Add(maxSkew + 2*time.Second).Unix() }), "of the future"},
		"of a clock that is ahead":      {with(func(c *registry.TokenClaims) { c.IssuedAt = now.Add(maxSkew - time.Second).Unix() }), ""},
		"longer than its key":           {with(func(c *registry.TokenClaims) { c.Expires = now.Add(2 * time.Hour).Unix() }), "than its key may sign"},
		"another issuer":                {with(func(c *registry.TokenClaims) { c.Issuer = "https://other.example.com" }), "than its key may sign"},
		"no issuer":                     {with(func(c *registry.TokenClaims) { c.Issuer = "" }), "than its key may sign"},
		"another audience":              {with(func(c *registry.TokenClaims) { c.Audience = "other" }), "not made for TheEye"},
		"another subject":               {with(func(c *registry.TokenClaims) { c.Subject = b.ClientID }), "not a client's own"},
		"another client id":             {with(func(c *registry.TokenClaims) { c.ClientID = b.ClientID }), "not a client's own"},
		"no client":                     {with(func(c *registry.TokenClaims) { c.Subject, c.ClientID = "", "" }), "not a client's own"},
		"no credential":                 {with(func(c *registry.TokenClaims) { c.Credential = "" }), "not a client's own"},
		"another client's credential":   {with(func(c *registry.TokenClaims) { c.Subject, c.ClientID = b.ClientID, b.ClientID }), revoked},
		"a client that is gone":         {with(func(c *registry.TokenClaims) { c.Subject, c.ClientID = gone, gone }), revoked},
		"a credential that is gone":     {with(func(c *registry.TokenClaims) { c.Credential = "9" }), revoked},
		"another key of the credential": {with(func(c *registry.TokenClaims) { c.Key = registry.Digest{9}.Mark() }), revoked},
		"an expired credential": {with(func(c *registry.TokenClaims) {
			c.Credential, c.Key = "2", registry.Digest{2}.Mark()
		}), "credential that the access token was got with has expired"},
		"alg none":                 {none.token(), notEd25519},
		"alg none, no signature":   {good[:cut+1], notEd25519},
		"alg none of a right one":  {headed("alg", "none"), notEd25519},
		"HS256 with the key":       {hs256.token(), notEd25519},
		"HS256 of a right one":     {headed("alg", "HS256"), notEd25519},
		"another case of alg":      {headed("alg", "EDDSA"), notEd25519},
		"typ JWT":                  {headed("typ", "JWT"), notOurs},
		"no typ":                   {headed("typ", ""), notOurs},
		"a key of its own":         {headed("jwk", map[string]string{"kty": "OKP"}), notOurs},
		"an address of keys":       {headed("jku", "https://example.com/jwks"), notOurs},
		"an address of a chain":    {headed("x5u", "https://example.com/x5u"), notOurs},
		"an extension":             {headed("crit", []string{"exp"}), notOurs},
		"unknown key id":           {headed("kid", "second"), "the key that signed the access token is unknown"},
		"a stranger's signature":   {stranger.token(right), forged},
		"another one's claims":     {strings.Split(good, ".")[0] + "." + other[1] + good[cut:], forged},
		"another one's signature":  {good[:cut+1] + other[2], forged},
		"a changed signature":      {good[:cut+1] + flip(good[cut+1:]), forged},
		"a longer signature":       {good + "AAAA", notEd25519},
		"no audience's list":       {claimed(`{"aud":["theeye"]}`), notOurs},
		"claims that are a list":   {claimed(`[]`), notOurs},
		"claims of another case":   {claimed(`{"AUD":"theeye"}`), "not made for TheEye"},
		"a fraction of a second":   {claimed(`{"aud":"theeye","exp":1.5}`), notOurs},
		"two parts":                {good[:cut], notOurs},
		"four parts":               {good + ".x", notOurs},
		"padded":                   {good + "==", notOurs},
		"with a line break":        {good[:cut+9] + "\n" + good[cut+9:], notOurs},
		"dots":                     {"..", notOurs},
		"eight KiB and a byte":     {good + strings.Repeat("A", 8<<10+1-len(good)), "longer than 8 KiB"},
		"eight KiB":                {good + strings.Repeat("A", 8<<10-len(good)), notEd25519},
		"a Kubernetes token's typ": {headed("alg", "RS256"), notEd25519},
	} {
		p, err := ring.Token(context.Background(), c.token)
		if c.says == "" {
			if err != nil || p.Application.UID != a.UID || p.Credential != "1" {
				t.Errorf("%s: principal %+v, %v", name, p, err)
			}
			continue
		}
		if denied(err) != nil || !strings.Contains(err.Error(), c.says) || p != (Principal{}) {
			t.Errorf("%s: principal %+v, %v; want %q", name, p, err, c.says)
		}
		if !strings.Contains(fault.ProblemOf(err).Challenge, "invalid_token") || len(err.Error()) > 200 {
			t.Errorf("%s: refused as %+v", name, err)
		}
	}
}

const gone = "eye_000000000000000000000000"

// flip changes the last character that has all its bits in use.
func flip(text string) string {
	i := len(text) - 2
	c := byte('A')
	if text[i] == c {
		c = 'B'
	}
	return text[:i] + string(c) + text[i+1:]
}

// TestEveryBitOfATokenCounts changes each character of a token: none is left unread.
func TestEveryBitOfATokenCounts(t *testing.T) {
	t.Parallel()
	ring, s, a, _, now := fixed(t)
	token := s.token(claims(a, now))
	for i := range token {
		changed := token[:i] + string("AB"[len(token[:i])%2]) + token[i+1:]
		if _, err := ring.Token(t.Context(), changed); changed != token && denied(err) != nil {
			t.Errorf("character %d is changed: %v", i, err)
		}
	}
	if _, err := ring.Token(t.Context(), token); err != nil {
		t.Error(err)
	}
}

// TestTokensOfOthersAreTold by what they say they are, so that none of ours is shown to anybody else.
func TestTokensOfOthersAreTold(t *testing.T) {
	t.Parallel()
	_, s, a, _, now := fixed(t)
	ours := s.token(claims(a, now))
	encode := base64.RawURLEncoding.EncodeToString
	for token, want := range map[string]bool{
		ours: true, ours[:len(ours)-9]: true, // a broken one of ours is nobody else's, either
		encode([]byte(`{"alg":"RS256","kid":"x"}`)) + ".e30.AAAA": false,
		encode([]byte(`{"alg":"none","typ":"at+jwt"}`)) + ".":     true,
		encode([]byte(`{"typ":"at+jwt"`)) + ".e30.AAAA":           false,
		apikey.New("test", a.ClientID, "1"):                       false,
		"":                                                        false,
		".":                                                       false,
		strings.Split(ours, ".")[0]:                               false,
		ours + strings.Repeat("A", maxToken):                      false,
		encode([]byte(`{"alg":"EdDSA","typ":"JWT"}`)) + ".e30.AAAA": false,
	} {
		if IsToken(token) != want {
			t.Errorf("%.60q is taken for one of ours: %t", token, !want)
		}
	}
}

// TestTokensOfAnotherLibrary has go-jose sign: what is checked here is what everybody means by it.
func TestTokensOfAnotherLibrary(t *testing.T) {
	t.Parallel()
	ring, s, a, _, now := fixed(t)
	key := jose.SigningKey{Algorithm: jose.EdDSA, Key: jose.JSONWebKey{Key: s.private, KeyID: s.id}}
	signer, err := jose.NewSigner(key, (&jose.SignerOptions{}).WithType(registry.TokenType))
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(claims(a, now))
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ring.Token(t.Context(), token); err != nil {
		t.Error(err)
	}
}

// TestTokenScopes: a token allows what it was given for, whatever else a later release may write there.
func TestTokenScopes(t *testing.T) {
	t.Parallel()
	ring, s, a, _, now := fixed(t)
	for list, want := range map[string][2]bool{
		"":                          {false, false},
		"events:read":               {false, true},
		"events:write":              {true, false},
		"events:write events:later": {true, false},
		"events:read events:write":  {true, true},
	} {
		c := claims(a, now)
		c.Scope = list
		p, err := ring.Token(t.Context(), s.token(c))
		if err != nil {
			t.Fatal(err)
		}
		for i, scope := range []registry.Scope{registry.ScopeWrite, registry.ScopeRead} {
			err := p.Require(scope)
			if (err == nil) != want[i] {
				t.Errorf("%q: %s is answered %v", list, scope, err)
			}
			if err == nil {
				continue
			}
			told := fault.ProblemOf(err)
			challenge := fmt.Sprintf(`error="insufficient_scope", scope="%s"`, scope)
			if told.Status != 403 || told.Code != fault.CodeForbidden || !strings.Contains(told.Detail, string(scope)) || told.Challenge != challenge {
				t.Errorf("%q: refused as %+v", list, told)
			}
		}
	}
}

// TestTokenRefusalsWaitForProof: what the ring alone speaks against may be right a moment later, and is refused only when
// the ring is as new as the question; what no ring could make right is refused at once.
func TestTokenRefusalsWaitForProof(t *testing.T) {
	t.Parallel()
	ring, s, a, b, now := fixed(t)
	right := claims(a, now)
	changed := func(change func(*registry.TokenClaims)) registry.TokenClaims {
		c := right
		change(&c)
		return c
	}
	other := newSigning(t, "second")
	for name, token := range map[string]string{
		"unknown key":        other.token(right),
		"unknown client":     s.token(changed(func(c *registry.TokenClaims) { c.Subject, c.ClientID = gone, gone })),
		"unknown credential": s.token(changed(func(c *registry.TokenClaims) { c.Credential = "7" })),
		"another's":          s.token(changed(func(c *registry.TokenClaims) { c.Subject, c.ClientID = b.ClientID, b.ClientID })),
		"replaced":           s.token(changed(func(c *registry.TokenClaims) { c.Key = "" })),
	} {
		ring.prove(now.Add(-time.Millisecond))
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := ring.Token(ended, token); away(err) != nil {
			t.Errorf("%s: does not wait: %v", name, err)
		}
		if _, err := ring.Token(atonce.Context(t.Context()), token); denied(err) != nil {
			t.Errorf("%s: at once: %v", name, err)
		}
		ring.prove(now)
		if _, err := ring.Token(ended, token); denied(err) != nil {
			t.Errorf("%s: proven: %v", name, err)
		}
	}
	ring.prove(now.Add(-time.Millisecond))
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, token := range map[string]string{
		"forged":  newSigning(t, "first").token(right),
		"expired": s.token(changed(func(c *registry.TokenClaims) { c.Expires = 1 })),
		"no ours": "a.b.c",
	} {
		if _, err := ring.Token(ended, token); denied(err) != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestVerifiedTokensAreHeldAgainstTheRing: that a signature was found right lets nobody in who is out by now.
func TestVerifiedTokensAreHeldAgainstTheRing(t *testing.T) {
	t.Parallel()
	ring, s, a, _, now := fixed(t)
	clock := now
	ring.now = func() time.Time { return clock }
	token := s.token(claims(a, now))
	use := func() error { _, err := ring.Token(atonce.Context(t.Context()), token); return err }
	sum := digest(sha256.Sum256([]byte(token)))
	if err := use(); err != nil {
		t.Fatal(err)
	}
	if _, known := ring.verified.find(sum); !known {
		t.Fatal("the token is not remembered")
	}
	before := ring.ring.Load()
	for name, change := range map[string]func(*draft){
		"credential revoked": func(d *draft) { revoked := a; revoked.Credentials = nil; d.applications = byUID(&revoked) },
		"application gone":   func(d *draft) { d.applications = nil },
		"key gone":           func(d *draft) { d.signing = &signingKeys{} },
		"another key of that name": func(d *draft) {
			stranger := newSigning(t, "first")
			d.signing = &signingKeys{byID: map[string]signingKey{"first": {
				public: [32]byte(stranger.public.PublicKey), issuer: issuer, notAfter: s.public.NotAfter,
			}}}
		},
		"key ends": func(d *draft) {
			ending := before.signing.byID["first"]
			ending.notAfter = now
			d.signing = &signingKeys{byID: map[string]signingKey{"first": ending}}
		},
	} {
		d := &draft{applications: byUID(&a), signing: before.signing}
		change(d)
		ring.ring.Store(d.ring("2-0", nil))
		if err := use(); denied(err) != nil {
			t.Errorf("%s: %v", name, err)
		}
		ring.ring.Store(before)
		if err := use(); err != nil {
			t.Errorf("%s, and back: %v", name, err)
		}
	}
	clock = now.Add(registry.TokenLife + maxSkew)
	ring.prove(clock)
	if err := use(); denied(err) != nil {
		t.Errorf("expired: %v", err)
	}
}

// TestVerifiedIsBounded: however many tokens come, and what is used stays.
func TestVerifiedIsBounded(t *testing.T) {
	t.Parallel()
	var v verified
	used := digest{31: 1}
	v.keep(used, accessToken{keyID: "used"})
	for n := range 10 * maxVerified {
		v.keep(digest{byte(n), byte(n >> 8), byte(n >> 16), 1}, accessToken{})
		if t2, known := v.find(used); !known || t2.keyID != "used" {
			t.Fatalf("the one in use is forgotten after %d", n)
		}
	}
	if n := len(v.younger) + len(v.older); n > 2*maxVerified {
		t.Errorf("%d are remembered", n)
	}
	if _, known := v.find(digest{0, 0, 0, 1}); known {
		t.Error("the first one is still remembered")
	}
}

// FuzzToken: nothing but the one token that was signed is ever let in, and whatever is refused is refused as wrong.
func FuzzToken(f *testing.F) {
	ring, s, a, _, now := fixed(f)
	right := claims(a, now)
	good := s.token(right)
	f.Add(good)
	for _, text := range []string{"", "..", good[1:], good + "=", "e30.e30.", strings.ToUpper(good), apikey.New("test", a.ClientID, "1")} {
		f.Add(text)
	}
	for _, header := range []string{`{}`, `{"alg":"none","typ":"at+jwt","kid":"first"}`, `{"alg":"EdDSA","ALG":"none","typ":"at+jwt","kid":"first"}`} {
		p := s.parts(right)
		p.header = json.RawMessage(header)
		f.Add(p.token())
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ring.Token(atonce.Context(context.Background()), text)
		switch {
		case (err == nil) != (text == good):
			t.Fatalf("answered %+v, %v", p, err)
		case err == nil && p.Application.UID != a.UID, err != nil && denied(err) != nil:
			t.Fatalf("answered %+v, %v", p, err)
		case err == nil && !IsToken(text):
			t.Fatal("let in, and not one of ours")
		}
	})
}
