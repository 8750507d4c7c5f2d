package keyring

import (
	"crypto/sha256"
	"sync"
)

// maxVerified is how many tokens one half of the memory has: one token for each of as many clients is an installation of
// the largest kind, and some 3 MiB for both halves.
const maxVerified = 4096

// digest is the SHA-256 of a token.
type digest [sha256.Size]byte

// verified remembers tokens whose signature was found right, so that who sends one again costs no signature check. It
// says nothing about who is let in: the ring does. Only right ones come in, so nobody can push others out with wrong
// ones. When the younger half is full it becomes the older one, and what nobody sends any more goes with that.
type verified struct {
	mu             sync.RWMutex
	younger, older map[digest]accessToken
}

// find returns a token.
func (v *verified) find(sum digest) (t accessToken, known bool) {
	v.mu.RLock()
	t, young := v.younger[sum]
	if !young {
		t, known = v.older[sum]
	}
	v.mu.RUnlock()
	if known {
		v.keep(sum, t)
	}
	return t, young || known
}

// keep remembers a token.
func (v *verified) keep(sum digest, t accessToken) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.younger) >= maxVerified {
		v.younger, v.older = nil, v.younger
	}
	if v.younger == nil {
		v.younger = make(map[digest]accessToken)
	}
	v.younger[sum] = t
}
