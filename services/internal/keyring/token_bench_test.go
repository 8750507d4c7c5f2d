package keyring

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/registry"
)

// BenchmarkCredentials has the same clients among a thousand show API keys, tokens that come again and again, tokens that
// come for the first time, and forged ones.
func BenchmarkCredentials(b *testing.B) {
	s := newSigning(b, "first")
	now := time.Now()
	applications := map[uuid.UUID]*registry.Application{}
	keys, tokens := make([]string, 1000), make([]string, 1000)
	var last registry.Application
	for i := range keys {
		a, key := app(fmt.Sprint(i), 1)
		applications[a.UID], keys[i], tokens[i], last = &a, key, s.token(claims(a, now)), a
	}
	d := draft{applications: applications, signing: &signingKeys{byID: map[string]signingKey{"first": {
		public: [32]byte(s.public.PublicKey), issuer: issuer, notAfter: s.public.NotAfter,
	}}}}
	ring := New(func() time.Time { return now })
	ring.ring.Store(d.ring("1-0", nil))
	ring.prove(now)
	forged := newSigning(b, "first").token(claims(last, now))
	for name, use := range map[string]func(n int) error{
		"key":         func(n int) error { return second(ring.Authenticate(context.Background(), "", keys[n%len(keys)])) },
		"token again": func(n int) error { return second(ring.Token(context.Background(), tokens[n%len(tokens)])) },
		"token at first": func(n int) error {
			ring.verified.forget()
			return second(ring.Token(context.Background(), tokens[n%len(tokens)]))
		},
		"token forged": func(int) error {
			if second(ring.Token(context.Background(), forged)) == nil {
				return errors.New("a forged token was taken")
			}
			return nil
		},
	} {
		b.Run(name, func(b *testing.B) {
			for n := range keys { // what is remembered is, from here on
				if err := use(n); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				if err := use(n); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// forget makes every token one that comes for the first time.
func (v *verified) forget() {
	v.mu.Lock()
	defer v.mu.Unlock()
	clear(v.younger)
	clear(v.older)
}
