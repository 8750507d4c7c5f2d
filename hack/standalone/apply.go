package standalone

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/apikey"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/api/v1alpha1"
)

// environment is the word in API keys that are made here.
const environment = "local"

// credentialID names the one credential that an application has here; rotation is the operator's.
const credentialID = "1"

// requestTimeout bounds one request to auth.
const requestTimeout = 15 * time.Second

// Credentials are what an application authenticates with. The API key is its client secret, too.
type Credentials struct {
	UID      uuid.UUID
	ClientID string
	APIKey   string
}

// Auth is auth's admin API.
type Auth struct {
	URL   string // without a path
	Token string // the admin token
}

// Apply makes an application and a credential known to auth. Applying again with the key of an earlier time changes
// nothing; an empty key is a new one, which replaces the earlier.
func (a Auth) Apply(ctx context.Context, application *v1alpha1.Application, key string) (Credentials, error) {
	uid := UID(application.Namespace, application.Name)
	c := Credentials{UID: uid, ClientID: apikey.ClientID(uid), APIKey: key}
	if key == "" {
		c.APIKey = apikey.New(environment, c.ClientID, credentialID)
	}
	id, err := apikey.Parse(c.APIKey)
	if err != nil {
		return c, fmt.Errorf("read API key: %w", err)
	}
	if id.ClientID != c.ClientID {
		return c, fmt.Errorf("the API key belongs to client %s, not to %s/%s", id.ClientID, application.Namespace, application.Name)
	}
	path := "/v1/applications/" + uid.String()
	err = a.put(ctx, path, registry.DesiredApplication{
		Namespace: application.Namespace, Name: application.Name, Policy: application.Spec.Policy(),
	})
	if err != nil {
		return c, fmt.Errorf("apply %s/%s: %w", application.Namespace, application.Name, err)
	}
	digest := registry.Digest(apikey.HashOf(c.APIKey))
	if err := a.put(ctx, path+"/credentials/"+id.Credential, registry.DesiredCredential{SHA256: digest}); err != nil {
		return c, fmt.Errorf("register credential of %s/%s: %w", application.Namespace, application.Name, err)
	}
	return c, nil
}

func (a Auth) put(ctx context.Context, path string, body any) error {
	content, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, strings.TrimSuffix(a.URL, "/")+path, bytes.NewReader(content))
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+a.Token)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("ask auth: %w", err)
	}
	defer response.Body.Close() //nolint:errcheck // only read
	answer, _ := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("PUT %s answers %s: %s", path, response.Status, bytes.TrimSpace(answer))
	}
	return nil
}

// Keys is a directory with the API keys of applications, one file named by the client id for each. An application
// keeps its key over every Apply that finds it there.
type Keys string

// Get returns the key of a client, or "" when there is none.
func (k Keys) Get(clientID string) (string, error) {
	content, err := os.ReadFile(k.path(clientID))
	if os.IsNotExist(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read key: %w", err)
	}
	return strings.TrimSpace(string(content)), nil
}

// Put keeps a key, readable by its owner only.
func (k Keys) Put(clientID, key string) error {
	if err := os.MkdirAll(string(k), 0o700); err != nil {
		return fmt.Errorf("keep key: %w", err)
	}
	if err := os.WriteFile(k.path(clientID), []byte(key+"\n"), 0o600); err != nil {
		return fmt.Errorf("keep key: %w", err)
	}
	return nil
}

func (k Keys) path(clientID string) string { return filepath.Join(string(k), filepath.Base(clientID)) }

// ApplyKept is Apply with the key that keys has for the application. A new key is kept before auth hears of it: a
// crash in between leaves one that the next attempt uses.
func (a Auth) ApplyKept(ctx context.Context, application *v1alpha1.Application, keys Keys) (Credentials, error) {
	clientID := apikey.ClientID(UID(application.Namespace, application.Name))
	key, err := keys.Get(clientID)
	if err != nil {
		return Credentials{}, err
	}
	if key == "" {
		key = apikey.New(environment, clientID, credentialID)
		if err := keys.Put(clientID, key); err != nil {
			return Credentials{}, err
		}
	}
	return a.Apply(ctx, application, key)
}
