package keyring

import (
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/apikey"
	"github.com/theeye-dev/theeye/api/registry"
)

// draft is what a ring is made of.
type draft struct {
	applications map[uuid.UUID]*registry.Application
	unreadable   map[string]struct{}
	signing      *signingKeys
}

func (d *draft) ring(position string, before *ring) *ring {
	r := newRing(d.applications, d.unreadable, position, before)
	r.signing = d.signing
	return r
}

// keepNewer puts back the records of a ring that are newer than the draft's: what was revoked does not come back.
func (d *draft) keepNewer(known *ring) {
	if known == nil {
		return
	}
	for uid, app := range d.applications {
		if newer := known.byUID[uid]; newer != nil && newer.Revision > app.Revision {
			d.applications[uid] = newer
		}
	}
}

// apply takes an entry of the log over: an application's record, or the signing keys.
func (d *draft) apply(values map[string]any) (err error) {
	if keys, ok := values[registry.FieldKeys].(string); ok {
		d.signing, err = readKeys(d.signing, keys)
		return err
	}
	record, _ := values[registry.FieldRecord].(string)
	uid, err := apply(d.applications, record)
	if err == nil {
		delete(d.unreadable, apikey.ClientID(uid))
	}
	return err
}

// apply takes a record over and returns whose it is. Older revisions than the known one change nothing.
func apply(applications map[uuid.UUID]*registry.Application, record string) (uuid.UUID, error) {
	var a registry.Application
	if err := json.Unmarshal([]byte(record), &a); err != nil {
		return uuid.Nil, fmt.Errorf("decode application record: %w", err)
	}
	switch known := applications[a.UID]; {
	case known != nil && known.Revision > a.Revision:
	case a.Deleted:
		delete(applications, a.UID)
	default:
		applications[a.UID] = &a
	}
	return a.UID, nil
}
