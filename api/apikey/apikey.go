// Package apikey makes and reads TheEye's API keys, which are also the client secrets of HTTP Basic.
//
// A key reads eye_<env>_<keyid>_<secret><checksum>: the prefix lets secret scanners find it and a double click select
// it; env is a word of the installation (live, local); keyid is the application's client id without its prefix,
// followed by the credential's id; secret is 43 base62 characters of 256 random bits; checksum is the CRC-32 (IEEE) of
// all before it in 6 base62 characters, so that a mistyped key is told from a revoked one without asking anyone.
// Only Hash of a key is ever stored: 256 random bits need no slow hash.
package apikey

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"hash/crc32"
	"math/big"
	"strings"

	"github.com/google/uuid"
)

const (
	prefix         = "eye_"
	clientIDDigits = 24 // hexadecimal digits: 96 bits keep derived client ids apart
	secretChars    = 43 // 256 bits in base62
	checksumChars  = 6  // 32 bits in base62
	alphabet       = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// MaxLength bounds what is worth parsing: no key is longer.
const MaxLength = len(prefix) + maxWord + 1 + clientIDDigits + maxWord + 1 + secretChars + checksumChars

// ErrMalformed is what Parse answers for text that cannot be a key: wrong form or wrong checksum.
var ErrMalformed = errors.New("not an API key: wrong form or checksum")

// maxWord bounds env and credential id, in characters.
const maxWord = 16

// ValidCredentialID tells whether an id can name a credential: 1–16 lower-case letters and digits.
func ValidCredentialID(id string) bool { return word(id) }

// ValidClientID tells whether a text has the form of a client id: eye_ and 24 hexadecimal digits in lower case.
func ValidClientID(id string) bool {
	digits, ok := strings.CutPrefix(id, prefix)
	return ok && len(digits) == clientIDDigits && hexadecimal(digits)
}

func word(s string) bool {
	return len(s) >= 1 && len(s) <= maxWord && all(s, func(c byte) bool { return digit(c) || 'a' <= c && c <= 'z' })
}

func hexadecimal(s string) bool {
	return all(s, func(c byte) bool { return digit(c) || 'a' <= c && c <= 'f' })
}

func alphanumeric(s string) bool {
	return all(s, func(c byte) bool { return digit(c) || 'a' <= c|0x20 && c|0x20 <= 'z' }) // 0x20 makes a letter lower case
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

func all(s string, is func(c byte) bool) bool {
	for i := range len(s) {
		if !is(s[i]) {
			return false
		}
	}
	return true
}

// ClientID derives the stable client id of an application from its resource's UID: eye_ and 24 hexadecimal digits.
func ClientID(uid uuid.UUID) string {
	sum := sha256.Sum256(append([]byte("theeye client id\x00"), uid[:]...))
	const hex = "0123456789abcdef"
	b := []byte(prefix)
	for _, c := range sum[:clientIDDigits/2] {
		b = append(b, hex[c>>4], hex[c&15])
	}
	return string(b)
}

// Hash is what is stored of a key: the SHA-256 of all its characters.
type Hash [sha256.Size]byte

// HashOf returns the hash of a key.
func HashOf(key string) Hash { return sha256.Sum256([]byte(key)) }

// ID says whose key it is; it is public.
type ID struct{ ClientID, Credential string }

// New generates a key for the credential of an application. It panics when env, client id or credential cannot stand
// in a key: callers have checked them.
func New(env string, clientID, credential string) string {
	if !word(env) || !ValidCredentialID(credential) || !ValidClientID(clientID) {
		panic("apikey.New: invalid env, client id or credential id") //nolint:forbidigo // as documented: a fault of the caller's code
	}
	var random [32]byte
	_, _ = rand.Read(random[:]) // never fails: crypto/rand ends the program instead
	head := prefix + env + "_" + clientID[len(prefix):] + credential + "_" + secret(random)
	sum := checksum(head)
	return head + string(sum[:])
}

// Parse reads whose key it is, or answers ErrMalformed. It does not say that the key is valid.
func Parse(key string) (ID, error) {
	rest, ok := strings.CutPrefix(key, prefix)
	env, rest, ok2 := strings.Cut(rest, "_")
	keyID, tail, ok3 := strings.Cut(rest, "_")
	if len(key) > MaxLength || !ok || !ok2 || !ok3 || !word(env) || len(keyID) <= clientIDDigits ||
		len(tail) != secretChars+checksumChars || !alphanumeric(tail) {
		return ID{}, ErrMalformed
	}
	clientID, credential := keyID[:clientIDDigits], keyID[clientIDDigits:]
	head := key[:len(key)-checksumChars]
	if sum := checksum(head); !hexadecimal(clientID) || !ValidCredentialID(credential) || string(sum[:]) != key[len(head):] {
		return ID{}, ErrMalformed
	}
	return ID{ClientID: prefix + clientID, Credential: credential}, nil
}

// checksum is the CRC-32 of a key's head in base62, with leading zeros.
func checksum(head string) (out [checksumChars]byte) {
	n := crc32.ChecksumIEEE([]byte(head))
	for i := range out {
		out[len(out)-1-i] = alphabet[n%uint32(len(alphabet))]
		n /= uint32(len(alphabet))
	}
	return out
}

// secret writes 256 bits in base62, with leading zeros.
func secret(random [32]byte) string {
	n, radix, rest := new(big.Int).SetBytes(random[:]), big.NewInt(int64(len(alphabet))), new(big.Int)
	var out [secretChars]byte
	for i := range out {
		n.DivMod(n, radix, rest)
		out[len(out)-1-i] = alphabet[rest.Int64()]
	}
	return string(out[:])
}
