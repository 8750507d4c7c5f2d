package auth

import (
	"crypto/ed25519"
	"testing"
	"time"
)

// TestKeysOverTheirLife goes through a year, an hour at a time: there is always exactly one key that signs, the next one
// is known a day before, and a key is known until the last token that it signed has ended.
func TestKeysOverTheirLife(t *testing.T) {
	t.Parallel()
	sealer, err := NewSealer(encryptionKey)
	if err != nil {
		t.Fatal(err)
	}
	s := &Signer{SignerOptions: SignerOptions{Issuer: issuer, Sealer: sealer}}
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var keys []signingKey
	known, used := map[string]time.Time{}, map[string]time.Time{}
	for now := start; now.Before(start.Add(365 * 24 * time.Hour)); now = now.Add(time.Hour) {
		s.now = func() time.Time { return now }
		if keys, err = s.edit(t.Context(), keys, published(keys)); err != nil {
			t.Fatal(err)
		}
		for _, k := range keys {
			if _, ok := known[k.ID]; !ok {
				known[k.ID] = now
			}
		}
		k := signer(keys, issuer, now)
		if k == nil || k.PrivateKey == nil {
			t.Fatalf("%s: no key signs", now)
		}
		if first, ok := used[k.ID]; !ok && now != start && now.Sub(known[k.ID]) < keyLead {
			t.Errorf("%s: key is used first and known for %s only", now, now.Sub(known[k.ID]))
		} else if !ok {
			used[k.ID] = now
		} else if now.Sub(first) > keyLife {
			t.Errorf("%s: key is used since %s", now, first)
		}
		if k.notAfter().Before(now.Add(time.Hour)) && k.notAfter().Before(k.SignUntil.Add(10*time.Minute)) {
			t.Errorf("%s: key goes at %s, before its tokens", now, k.notAfter())
		}
		if len(keys) > 3 {
			t.Fatalf("%s: %d keys", now, len(keys))
		}
	}
	if len(used) != 13 { // 365 days by 30
		t.Errorf("%d keys in a year", len(used))
	}
}

func TestAfterALongPauseThereIsAKeyAtOnce(t *testing.T) {
	t.Parallel()
	now := time.Now()
	sealer, err := NewSealer(encryptionKey)
	if err != nil {
		t.Fatal(err)
	}
	old, err := newSigningKey(issuer, sealer, now.Add(-keyLife-time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	s := &Signer{SignerOptions: SignerOptions{Issuer: issuer, Sealer: sealer}, now: func() time.Time { return now }}
	keys, err := s.edit(t.Context(), []signingKey{old}, published(nil))
	if err != nil || len(keys) != 2 || keys[0].ID != old.ID {
		t.Fatalf("%d keys, %v: the old one's tokens may live", len(keys), err)
	}
	if k := signer(keys, issuer, now); k == nil || k.ID == old.ID {
		t.Errorf("key %+v signs", k)
	}
	if k := signer(keys, issuer, now.Add(-keySlack)); k == nil || k.ID == old.ID {
		t.Error("a replica whose clock is behind has no key")
	}
}

func TestThumbprint(t *testing.T) {
	t.Parallel()
	// RFC 8037, appendix A.3.
	public := ed25519.NewKeyFromSeed([]byte{
		0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4,
		0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
	}).Public().(ed25519.PublicKey)
	if got, err := thumbprint(public); got != "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k" || err != nil {
		t.Errorf("thumbprint %s, %v", got, err)
	}
}
