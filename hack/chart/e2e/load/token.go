package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// renewBefore is how long before its end a token is replaced: longer than a request may take.
const renewBefore = 2 * requestTimeout

// tokens are the access tokens of credentials, each got once and used until shortly before its end.
type tokens struct {
	http *http.Client

	mu   sync.Mutex
	have map[Credential]token
}

type token struct {
	text string
	ends time.Time
}

// get returns a token of a credential; stale lets one pass that is about to end.
func (t *tokens) get(ctx context.Context, credential Credential, stale bool) (string, error) {
	t.mu.Lock() // also while one is got: who comes meanwhile wants the same
	defer t.mu.Unlock()
	if known := t.have[credential]; known.text != "" && (stale || time.Until(known.ends) > renewBefore) {
		return known.text, nil
	}
	got, err := t.request(ctx, credential)
	if err != nil {
		return "", fmt.Errorf("get token: %w", err)
	}
	t.have[credential] = got
	return got.text, nil
}

// request asks auth as RFC 6749, section 4.4, has it.
func (t *tokens) request(ctx context.Context, credential Credential) (token, error) {
	if credential.TokenURI == "" {
		return token{}, errors.New("the Secret has no token-uri")
	}
	form := url.Values{"grant_type": {"client_credentials"}}.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, credential.TokenURI, strings.NewReader(form))
	if err != nil {
		return token{}, err //nolint:wrapcheck // wrapped above
	}
	request.SetBasicAuth(url.QueryEscape(credential.ClientID), url.QueryEscape(credential.Secret))
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	begun := time.Now()
	response, err := t.http.Do(request)
	if err != nil {
		return token{}, err //nolint:wrapcheck // wrapped above
	}
	defer response.Body.Close() //nolint:errcheck // read to its end
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return token{}, err //nolint:wrapcheck // wrapped above
	}
	var answer struct {
		Error       string `json:"error"`
		AccessToken string `json:"access_token"`
		TokenType   string `json:"token_type"`
		ExpiresIn   int    `json:"expires_in"`
	}
	err = json.Unmarshal(text, &answer)
	if response.StatusCode != http.StatusOK || err != nil || !strings.EqualFold(answer.TokenType, "Bearer") {
		return token{}, fmt.Errorf("status %d, error %q, type %q", response.StatusCode, answer.Error, answer.TokenType)
	}
	return token{text: answer.AccessToken, ends: begun.Add(time.Duration(answer.ExpiresIn) * time.Second)}, nil
}
