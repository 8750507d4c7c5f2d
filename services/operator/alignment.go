package operator

import "github.com/theeye-dev/theeye/api/registry"

// maxLive is how many credentials an application may have at once.
const maxLive = 2

// alignment brings auth's credentials to the book's: what is wanted first, as long as there is room for it.
func (c *credentials) alignment(known *registry.Application) Step {
	if surplus := c.surplus(known); surplus != nil && len(known.Credentials) >= maxLive {
		return surplus
	}
	return first(func() Step { return c.missing(known) }, func() Step { return c.surplus(known) })
}

// missing finds a live credential that auth does not have as the book has it: its database may have been lost.
func (c *credentials) missing(known *registry.Application) Step {
	for _, want := range c.live() {
		if got := find(known, want.ID); got == nil || !sameJSON(got, want) {
			return PutCredential{want}
		}
	}
	return nil
}

// surplus finds a credential that auth has and nobody should use any more.
func (c *credentials) surplus(known *registry.Application) Step {
	for _, got := range known.Credentials {
		if wanted(got.ID, c.current, c.previous, c.pending) {
			continue
		}
		return DeleteCredential{got.ID}
	}
	return nil
}

func wanted(id string, entries ...*Entry) bool {
	for _, e := range entries {
		if e != nil && e.ID == id {
			return true
		}
	}
	return false
}

func find(known *registry.Application, id string) *registry.Credential {
	for i := range known.Credentials {
		if known.Credentials[i].ID == id {
			return &known.Credentials[i]
		}
	}
	return nil
}
