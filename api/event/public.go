package event

import "strings"

// publicPrefix begins the ids of public events. It cannot change: what is sent again must get its id again.
const publicPrefix = "public:"

// PublicID is the id of an event that came with a client id alone and said this of itself; "" stays "". Anybody may send
// such events, and would otherwise take the ids that the application's own are about to have: those would be conflicts.
// It has up to 7 characters more than others have.
func PublicID(id string) string {
	if id == "" {
		return ""
	}
	return publicPrefix + id
}

// Reserved tells whether an id is as those of public events are. An application's own may not be: a stranger's could be
// the same.
func Reserved(id string) bool { return strings.HasPrefix(id, publicPrefix) }
