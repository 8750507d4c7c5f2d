package auth

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"go.opentelemetry.io/otel/metric/noop"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/atonce"
	"github.com/theeye-dev/theeye/services/internal/fault"
	"github.com/theeye-dev/theeye/services/internal/kit"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// TestTokenForUnmodifiedClients has Go's OAuth 2.0 client get tokens in both ways, and another library check one as a third
// party does, by metadata and key set alone.
func TestTokenForUnmodifiedClients(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a := f.enrol(nil)
	f.follow()
	ctx := context.WithValue(t.Context(), oauth2.HTTPClient, testenv.HTTP(t))
	for style, scopes := range map[oauth2.AuthStyle][]string{
		oauth2.AuthStyleInHeader: nil, oauth2.AuthStyleInParams: {"events:read"}, oauth2.AuthStyleAutoDetect: {"events:read", "events:write"},
	} {
		config := clientcredentials.Config{
			ClientID: a.clientID, ClientSecret: a.key, TokenURL: f.url + tokenPath, Scopes: scopes, AuthStyle: style,
			EndpointParams: url.Values{"audience": {"anything"}}, // which means nothing here
		}
		got, err := config.Token(ctx)
		if err != nil || !got.Valid() || got.Type() != "Bearer" || got.Extra("expires_in") != 600.0 {
			t.Fatalf("style %d: %+v, %v", style, got, err)
		}
		p, err := f.keys.Token(t.Context(), got.AccessToken)
		if err != nil || p.Application.UID != a.uid || p.Credential != "1" || scopes != nil && p.Scopes.Has(registry.ScopeWrite) != (len(scopes) == 2) {
			t.Errorf("style %d: taken for %+v, %v", style, p, err)
		}
		f.thirdParty(a, got.AccessToken)
	}
	wrong := clientcredentials.Config{ClientID: a.clientID, ClientSecret: a.key + "x", TokenURL: f.url + tokenPath}
	_, err := wrong.Token(ctx)
	if told := (*oauth2.RetrieveError)(nil); !errors.As(err, &told) || told.ErrorCode != "invalid_client" || !strings.Contains(told.ErrorDescription, "mistyped") {
		t.Errorf("a wrong secret is told as %v", err)
	}
}

// thirdParty checks a token with what everybody may read.
func (f *fixture) thirdParty(a clientApp, token string) {
	f.Helper()
	var about metadata
	f.do("GET", metadataPath, nil, http.StatusOK, &about)
	if about.Issuer != issuer || about.TokenEndpoint != issuer+tokenPath || about.KeySet != issuer+keysPath {
		f.Errorf("metadata %+v", about)
	}
	var set jose.JSONWebKeySet
	f.do("GET", strings.TrimPrefix(about.KeySet, issuer), nil, http.StatusOK, &set)
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.EdDSA})
	if err != nil {
		f.Fatal(err)
	}
	head := parsed.Headers[0]
	keys := set.Key(head.KeyID)
	if len(keys) != 1 || !keys[0].IsPublic() || !keys[0].Valid() || head.ExtraHeaders[jose.HeaderType] != registry.TokenType {
		f.Fatalf("header %+v, keys %+v", head, set.Keys)
	}
	var claims jwt.Claims
	var own registry.TokenClaims
	if err := parsed.Claims(keys[0].Key, &claims, &own); err != nil {
		f.Fatal(err)
	}
	err = claims.ValidateWithLeeway(jwt.Expected{Issuer: issuer, Subject: a.clientID, AnyAudience: jwt.Audience{"theeye"}, Time: f.clock.Now()}, 0)
	if err != nil || own.ClientID != a.clientID || claims.ID == "" || own.Credential != "1" || own.Expires-own.IssuedAt != 600 {
		f.Errorf("claims %+v, %+v: %v", claims, own, err)
	}
}

// TestTokenAnswers has a row for every way to ask.
func TestTokenAnswers(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a, other := f.enrol(nil), f.enrol(nil)
	f.follow()
	with := func(name string, values ...string) string { return a.form(url.Values{name: values}) }
	const grant = "grant_type=client_credentials"
	right := basic(a.clientID, a.key)
	bare := clientApp{}.form(url.Values{"client_id": nil, "client_secret": nil})
	for name, c := range map[string]struct {
		query, body string
		header      []string
		status      int
		word, says  string
	}{
		"form":                     {"", a.form(nil), nil, 200, "", ""},
		"basic":                    {"", grant, []string{"Authorization", right}, 200, "", ""},
		"basic, encoded":           {"", grant, []string{"Authorization", basic(strings.ReplaceAll(a.clientID, "_", "%5F"), strings.ReplaceAll(a.key, "_", "%5F"))}, 200, "", ""},
		"basic and its id again":   {"", grant + "&client_id=" + a.clientID, []string{"Authorization", right}, 200, "", ""},
		"empty parameters":         {"", grant + "&scope=&client_secret=&client_id=", []string{"Authorization", right}, 200, "", ""},
		"unknown parameters":       {"?utm=x", grant + "&resource=x", []string{"Authorization", right}, 200, "", ""},
		"with a charset":           {"", a.form(nil), []string{"Content-Type", formType + "; charset=UTF-8"}, 200, "", ""},
		"basic and form":           {"", a.form(nil), []string{"Authorization", right}, 400, "invalid_request", "twice"},
		"basic of another":         {"", grant + "&client_id=" + other.clientID, []string{"Authorization", right}, 400, "invalid_request", "another one"},
		"two headers":              {"", grant, []string{"Authorization", right, "Authorization", right}, 401, "invalid_client", "once"},
		"nothing":                  {"", bare, nil, 401, "invalid_client", "HTTP Basic, or"},
		"id alone":                 {"", with("client_secret"), nil, 401, "invalid_client", "HTTP Basic, or"},
		"secret alone":             {"", with("client_id"), nil, 401, "invalid_client", "client id is missing"},
		"basic without an id":      {"", grant, []string{"Authorization", basic("", a.key)}, 401, "invalid_client", "client id is missing"},
		"basic without a secret":   {"", grant, []string{"Authorization", basic(a.clientID, "")}, 401, "invalid_client", "mistyped"},
		"basic, badly encoded":     {"", grant, []string{"Authorization", basic(a.clientID, "%zz")}, 401, "invalid_client", "form-encoded"},
		"a bearer token":           {"", grant, []string{"Authorization", "Bearer " + a.key}, 401, "invalid_client", "HTTP Basic, or"},
		"wrong secret":             {"", a.form(url.Values{"client_secret": {a.key[:len(a.key)-1]}}), nil, 401, "invalid_client", "mistyped"},
		"another one's secret":     {"", with("client_secret", other.key), nil, 401, "invalid_client", "another client id"},
		"an id that is none":       {"", with("client_id", "shop"), nil, 401, "invalid_client", "another client id"},
		"no grant":                 {"", with("grant_type"), nil, 400, "invalid_request", "grant_type is missing"},
		"another grant":            {"", with("grant_type", "password"), nil, 400, "unsupported_grant_type", "client_credentials"},
		"a grant twice":            {"", with("grant_type", grantType, grantType), nil, 400, "invalid_request", "2 times"},
		"a scope twice":            {"", with("scope", "events:read", "events:read"), nil, 400, "invalid_request", "2 times"},
		"what is unknown, twice":   {"", with("x", "1", "2"), nil, 400, "invalid_request", "2 times"},
		"unknown scope":            {"", with("scope", `events:read "admin"`), nil, 400, "invalid_scope", "admin"},
		"no form":                  {"", "%zz", nil, 400, "invalid_request", "no form"},
		"semicolons":               {"", strings.ReplaceAll(a.form(nil), "&", ";"), nil, 400, "invalid_request", "no form"},
		"secret in the URL":        {"?client_secret=" + a.key, a.form(nil), nil, 400, "invalid_request", "not into the URL"},
		"all in the URL":           {"?" + a.form(nil), "", nil, 400, "invalid_request", "not into the URL"},
		"JSON":                     {"", `{"grant_type":"client_credentials"}`, []string{"Content-Type", "application/json"}, 415, "invalid_request", formType},
		"no media type":            {"", a.form(nil), []string{"Content-Type", ""}, 415, "invalid_request", formType},
		"too large":                {"", a.form(url.Values{"x": {strings.Repeat("x", maxForm)}}), nil, 413, "invalid_request", "8192"},
		"a secret beyond any size": {"", with("client_secret", strings.Repeat("e", 7000)), nil, 401, "invalid_client", "mistyped"},
	} {
		media, header := formType, c.header
		if len(header) > 0 && header[0] == "Content-Type" {
			media, header = header[1], nil
		}
		got := f.askTyped(media, f.url+tokenPath+c.query, c.body, header...)
		if got.status != c.status || got.Error != c.word || !strings.Contains(got.Description, c.says) || (got.Token == "") != (c.status != 200) {
			t.Errorf("%s: answered %d %s", name, got.status, got.text)
		}
		if got.header.Get("Cache-Control") != "no-store" || got.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: headers %v", name, got.header)
		}
		if challenge := got.header.Values("WWW-Authenticate"); (len(challenge) == 1 && strings.HasPrefix(challenge[0], "Basic ")) != (c.status == 401) {
			t.Errorf("%s: WWW-Authenticate %q", name, challenge)
		}
		if strings.Contains(got.text, a.key) || c.status != 200 && (got.Code == "" || got.Detail == "") {
			t.Errorf("%s: answered %s", name, got.text)
		}
	}
	if got := f.ask(f.url+tokenPath, with("scope", "events:read")); got.Scope != "events:read" || got.Type != "Bearer" {
		t.Errorf("answered %s", got.text)
	}
	for _, path := range []string{tokenPath, keysPath, metadataPath} {
		method := map[bool]string{true: "GET", false: "POST"}[path == tokenPath]
		if status, answer := f.send(method, path, nil, ""); status != http.StatusMethodNotAllowed {
			t.Errorf("%s %s: %d %s", method, path, status, answer)
		}
	}
}

// TestUnknownClientsCostWhatWrongSecretsCost: they are answered alike, by the keyring (where its own test has them take
// the same steps), and no database is asked for either.
func TestUnknownClientsCostWhatWrongSecretsCost(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a := f.enrol(nil)
	f.follow()
	stranger := newClient()
	wrong := clientApp{clientID: a.clientID, key: newKey(a.clientID)}
	before := f.pool.Stat().AcquireCount()
	first := f.ask(f.url+tokenPath, stranger.form(nil))
	second := f.ask(f.url+tokenPath, wrong.form(nil))
	if first.status != http.StatusUnauthorized || first.status != second.status || first.text != second.text {
		t.Errorf("an unknown client is answered %d %s, a wrong secret %d %s", first.status, first.text, second.status, second.text)
	}
	if got := f.ask(f.url+tokenPath, a.form(nil)); got.status != http.StatusOK {
		t.Errorf("a right one is answered %d %s", got.status, got.text)
	}
	if after := f.pool.Stat().AcquireCount(); after != before {
		t.Errorf("the database was asked %d times", after-before)
	}
}

// TestWrongSecretsAreLimited by the address that they come from, and right ones pass in any case.
func TestWrongSecretsAreLimited(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a := f.enrol(nil)
	f.follow()
	one := func(*http.Request) netip.Addr { return netip.MustParseAddr("192.0.2.1") }
	begin := f.clock.Now() // and it stays: no budget grows
	failures, err := kit.NewFailures(one, func() time.Time { return begin }, noop.Meter{})
	if err != nil {
		t.Fatal(err)
	}
	at := f.serve(NewTokens(f.service.signer, f.keys, failures, f.clock.Now))
	wrong := clientApp{clientID: a.clientID, key: "x"}
	limited := 0
	for range 110 {
		got := f.ask(at+tokenPath, wrong.form(nil))
		if got.status == http.StatusTooManyRequests && got.Error == "temporarily_unavailable" && got.header.Get("Retry-After") != "" {
			limited++
		} else if got.status != http.StatusUnauthorized {
			t.Fatalf("answered %d %s", got.status, got.text)
		}
	}
	if got := f.ask(at+tokenPath, a.form(nil)); got.status != http.StatusOK || limited != 10 {
		t.Errorf("%d of 110 were limited; a right one is answered %d %s", limited, got.status, got.text)
	}
}

// TestTokensDieWithTheirCredential: no token outlives it, and none is given for it afterwards.
func TestTokensDieWithTheirCredential(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	end := time.Now().Add(2 * time.Minute)
	ending, lasting := f.enrol(&end), f.enrol(nil)
	f.follow()
	got := f.ask(f.url+tokenPath, ending.form(nil))
	if got.status != http.StatusOK || got.Seconds > 120 || got.Seconds < 60 {
		t.Errorf("a token for a credential of two minutes: %s", got.text)
	}
	long := f.ask(f.url+tokenPath, lasting.form(nil))
	f.do("DELETE", credentialPath(lasting.uid, "1"), nil, http.StatusNoContent, nil)
	f.eventually("its token dies with a credential", func() bool {
		_, err := f.keys.Token(t.Context(), long.Token)
		return fault.KindOf(err) == fault.Denied
	})
	if got := f.ask(f.url+tokenPath, lasting.form(nil)); got.status != http.StatusUnauthorized || !strings.Contains(got.Detail, "revoked") {
		t.Errorf("a revoked credential is answered %d %s", got.status, got.text)
	}
	f.clock.Advance(2 * time.Minute)
	f.eventually("a credential ends", func() bool {
		got := f.ask(f.url+tokenPath, ending.form(nil))
		return got.status == http.StatusUnauthorized && strings.Contains(got.Detail, "expired")
	})
}

// TestSuspendedApplicationsGetNoToken although their credential is right.
func TestSuspendedApplicationsGetNoToken(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a := f.enrol(nil)
	want := desired("web-shop")
	want.Policy.Suspended = true
	f.do("PUT", path(a.uid), want, http.StatusOK, nil)
	f.follow()
	if got := f.ask(f.url+tokenPath, a.form(nil)); got.status != http.StatusForbidden || got.Error != "unauthorized_client" || got.Code != "application.suspended" {
		t.Errorf("answered %d %s", got.status, got.text)
	}
}

// TestNoKeysAreNoRefusal: what lacks signing keys, or the log, is 503 for right and wrong credentials.
func TestNoKeysAreNoRefusal(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a := f.enrol(nil)
	temporarily := func(what, at string) {
		t.Helper()
		got := f.ask(at+tokenPath, a.form(nil))
		if got.status != http.StatusServiceUnavailable || got.Error != "temporarily_unavailable" || got.header.Get("Retry-After") == "" {
			t.Errorf("%s: answered %d %s", what, got.status, got.text)
		}
	}
	temporarily("before the log is read", f.url)
	f.follow()
	for what, s := range map[string]*Signer{"starting": f.newSigner(issuer, encryptionKey), "sealed": f.newSigner(issuer, encryptionKey+"!")} {
		if what == "sealed" {
			_ = s.Renew(t.Context()) // it fails, and the signer says so
		}
		at := f.serve(NewTokens(s, f.keys, nil, f.clock.Now))
		temporarily(what, at)
		response, err := testenv.HTTP(t).Get(at + keysPath)
		if err != nil {
			t.Fatal(err)
		}
		if _ = response.Body.Close(); response.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("%s: the key set is answered %d", what, response.StatusCode)
		}
	}
	f.clock.Advance(keyLife + keyLead) // nobody has made a key meanwhile
	f.eventually("the log is followed again", func() bool { return f.keys.Ready() == nil })
	temporarily("the last key has ended", f.url)
	without := f.serve(NewTokens(nil, f.keys, nil, f.clock.Now))
	response, err := http.Post(without+tokenPath, formType, strings.NewReader(a.form(nil))) // where the contract has more
	if err != nil {
		t.Fatal(err)
	}
	if _ = response.Body.Close(); response.StatusCode != http.StatusNotFound {
		t.Errorf("without an issuer a token is answered %d", response.StatusCode)
	}
}

// TestTokensSurviveALostDatabase: a valid client goes on getting tokens, and those it has stay good.
func TestTokensSurviveALostDatabase(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a := f.enrol(nil)
	f.follow()
	before := f.ask(f.url+tokenPath, a.form(nil))
	good := func(what, token string) {
		t.Helper()
		if _, err := f.keys.Token(t.Context(), token); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	f.exec("DROP SCHEMA auth CASCADE")
	during := f.ask(f.url+tokenPath, a.form(nil))
	good("got while it is lost", during.Token)
	stage, err := f.healer.pass(t.Context())
	f.healer.note(t.Context(), stage, err) // that the schema is gone
	f.pass()
	after := f.ask(f.url+tokenPath, a.form(nil))
	good("got before", before.Token)
	good("got afterwards", after.Token)
	if head := func(token string) string { return strings.Split(token, ".")[0] }; head(before.Token) == head(after.Token) {
		t.Error("signed with a key that was lost")
	}
}

// TestARepairedLogHasKeysBeforeItIsWhole: whoever reads it finds no token of an unknown key.
func TestARepairedLogHasKeysBeforeItIsWhole(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	keys, _ := f.logged()
	f.redis.FlushAll(t.Context())
	if err := f.healer.repair(t.Context()); err != nil {
		t.Fatal(err)
	}
	if logged, _ := f.logged(); !f.complete() || len(logged) != 1 || logged[0] != keys[0] {
		t.Errorf("the log had %q and has %q", keys, logged)
	}
}

// TestKeySetShowsTheNextKey a day before it signs, and nothing of another issuer or of a private key.
func TestKeySetShowsTheNextKey(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.renewed(f.newSigner("https://other.example.com", encryptionKey))
	f.clock.Advance(keyLife - keyLead)
	f.renewed(f.service.signer)
	status, text := f.send("GET", keysPath, nil, "")
	var set struct{ Keys []map[string]string }
	if err := json.Unmarshal(text, &set); err != nil || status != http.StatusOK || len(set.Keys) != 2 || strings.Contains(string(text), `"d"`) {
		t.Errorf("answered %d %s", status, text)
	}
	response, err := testenv.HTTP(t).Get(f.url + keysPath)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if kept := response.Header.Get("Cache-Control"); kept != "public, max-age=3600" {
		t.Errorf("Cache-Control %q", kept)
	}
}

// TestIssuerWithAPath serves what clients need where the issuer's URL says, and whether the proxy cuts the path off or not.
func TestIssuerWithAPath(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a := f.enrol(nil)
	f.follow()
	s := f.newSigner("https://example.com/eye", encryptionKey)
	f.renewed(s)
	at := f.serve(NewTokens(s, f.keys, nil, f.clock.Now))
	for _, path := range []string{metadataPath + "/eye", metadataPath, "/eye" + metadataPath} {
		var about metadata
		f.get(at+path, &about)
		if about.Issuer != "https://example.com/eye" || about.TokenEndpoint != "https://example.com/eye/v1/token" || about.KeySet != "https://example.com/eye/.well-known/jwks.json" {
			t.Errorf("%s: %+v", path, about)
		}
	}
	var set jose.JSONWebKeySet
	f.get(at+"/eye"+keysPath, &set)
	if len(set.Keys) != 1 || set.Keys[0].KeyID != signer(s.state.Load().keys, s.Issuer, f.clock.Now()).ID {
		t.Errorf("keys %+v", set.Keys)
	}
	f.eventually("a token of the issuer is good", func() bool {
		got := f.ask(at+"/eye"+tokenPath, a.form(nil))
		_, err := f.keys.Token(atonce.Context(t.Context()), got.Token)
		return err == nil
	})
	response, err := http.Get(at + "/eye/v1/applications")
	if err != nil {
		t.Fatal(err)
	}
	if _ = response.Body.Close(); response.StatusCode != http.StatusNotFound {
		t.Errorf("the admin API is under the issuer's path, too: %d", response.StatusCode)
	}
}
