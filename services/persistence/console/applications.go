package console

import (
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/apikey"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/fault"
)

func (c *Console) applications(v *visit) error {
	return v.show(http.StatusOK, "applications", "applications", "Applications", v.who)
}

// credential is one as people may see it: never its key, and no hash.
type credential struct {
	ID        string     `json:"id"`
	State     string     `json:"state"` // active, expiring or expired
	ExpiresAt *time.Time `json:"expires_at"`
	LastUsed  *time.Time `json:"-"`
}

// declared is what an application has asked for (GET /v1/applications/{uid}/policy).
type declared struct {
	UID         string       `json:"uid"`
	Namespace   string       `json:"namespace"`
	Name        string       `json:"name"`
	Policy      policyText   `json:"policy"`
	Credentials []credential `json:"credentials"`
}

// policyText is a policy, and the same as it was written.
type policyText struct {
	registry.Policy
	raw json.RawMessage
}

// UnmarshalJSON keeps both.
func (p *policyText) UnmarshalJSON(raw []byte) error {
	p.raw = slices.Clone(raw)
	return json.Unmarshal(raw, &p.Policy) //nolint:wrapcheck // do says what was read
}

// Text is the policy as people read it.
func (p policyText) Text() prettied { return pretty(p.raw) }

// applicationPage is the page of one.
type applicationPage struct {
	declared
	Who     *access
	Usage   registry.Usage
	Unknown bool // the application log has it no more; what it sent can still be read
}

// ClientID is public, and derives from the UID.
func (p applicationPage) ClientID() string {
	uid, err := uuid.Parse(p.UID)
	if err != nil {
		return ""
	}
	return apikey.ClientID(uid)
}

// Title of the application.
func (p applicationPage) Title() string {
	return member{UID: p.UID, Namespace: p.Namespace, Name: p.Name}.Title()
}

func (c *Console) application(v *visit) error {
	uid := v.r.PathValue("uid")
	p := applicationPage{Who: v.who}
	err := v.get("/v1/applications/"+segment(uid)+"/policy", nil, &p.declared)
	if r, ok := err.(*refusal); ok { //nolint:errorlint // get wraps nothing
		switch {
		case r.Code == fault.CodeNotFound: // the usage tells whether anything of it is left
			p.Unknown, p.UID, err = true, uid, nil
		case r.Code == fault.CodeInvalid: // to the API that is a mistake, and here an address like any other
			err = fault.New(fault.CodeNotFound, "there is no application at "+v.r.URL.Path+": the page of one has its UID for an address")
		}
	}
	if err != nil {
		return err
	}
	if err := v.get("/v1/applications/"+segment(uid)+"/usage", nil, &p.Usage); err != nil {
		return err
	}
	for i := range p.Credentials {
		for _, use := range p.Usage.Credentials {
			if use.ID == p.Credentials[i].ID {
				p.Credentials[i].LastUsed = &use.LastUsedAt
			}
		}
	}
	return v.show(http.StatusOK, "application", "applications", "Application "+p.Title(), p)
}
