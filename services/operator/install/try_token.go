package install

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
)

const tokenPath = "/v1/token"

// exchange gets an access token, sends the first event with it once more and reads back: nothing was stored anew.
func (t *Trial) exchange(ctx context.Context) error {
	err := t.Progress.await(ctx, func(ctx context.Context) (_ string, err error) {
		t.token, err = t.issued(ctx)
		return "", err
	})
	if err != nil {
		return err
	}
	err = t.Progress.await(ctx, func(ctx context.Context) (string, error) { return t.accepted(ctx, t.token, t.sent) })
	if err != nil {
		return err
	}
	return t.Progress.await(ctx, func(ctx context.Context) (string, error) { return t.stored(ctx, t.token, t.sent, t.second) })
}

// issued asks auth as OAuth 2.0 clients do (RFC 6749, section 4.4).
func (t *Trial) issued(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	address := strings.TrimSuffix(t.AuthURL, "/") + tokenPath
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader("grant_type=client_credentials"))
	if err != nil {
		return "", final("make request: %w", err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth(t.credentials.clientID, t.credentials.key)
	a, err := t.do(request)
	if err != nil {
		return "", err
	}
	if a.status != http.StatusOK {
		return "", unexpected(http.MethodPost, address, a)
	}
	var got struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal(a.body, &got); err != nil || got.AccessToken == "" {
		return "", final("%s gives no token", address) // without the answer, which may have one
	}
	return got.AccessToken, nil
}
