package auth

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/fault"
)

// MaxCredentials is how many credentials an application may have at once. A rotation needs two, one more when it is
// forced before the last one ended; the rest is for keys made by hand. It bounds the record that every reader keeps.
const MaxCredentials = 8

// putCredential sets a credential and drops those past their end, which would count against the limit. Two credentials
// may have one hash: an operator that lost its place may send the same key under another id. Readers take the key until
// the later end of both.
func putCredential(app *registry.Application, credential registry.Credential, now time.Time) error {
	dropCredentials(app, func(c registry.Credential) bool { return c.ID == credential.ID || expired(c, now) })
	if len(app.Credentials) >= MaxCredentials {
		return fault.New(fault.CodeConflict, fmt.Sprintf("the application has %d credentials, which is the limit", MaxCredentials))
	}
	app.Credentials = append(app.Credentials, credential)
	slices.SortFunc(app.Credentials, func(a, b registry.Credential) int { return strings.Compare(a.ID, b.ID) })
	return nil
}

// dropCredentials removes credentials from an application, and leaves the slice that it had as it was.
func dropCredentials(app *registry.Application, drop func(registry.Credential) bool) {
	app.Credentials = slices.DeleteFunc(slices.Clone(app.Credentials), drop)
}

func expired(c registry.Credential, now time.Time) bool {
	return c.NotAfter != nil && !now.Before(*c.NotAfter)
}

func find(app registry.Application, id string) int {
	return slices.IndexFunc(app.Credentials, func(c registry.Credential) bool { return c.ID == id })
}
