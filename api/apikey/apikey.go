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
	"regexp"
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

// MaxLength bounds what is worth parsing.
const MaxLength = 128

// ErrMalformed is what Parse answers for text that cannot be a key: wrong form or wrong checksum.
var ErrMalformed = errors.New("not an API key: wrong form or checksum")

var (
	credentialID = regexp.MustCompile(`^[a-z0-9]{1,16}$`)
	environment  = regexp.MustCompile(`^[a-z0-9]{1,16}$`)
)

// ValidCredentialID tells whether an id can name a credential: 1–16 lower-case letters and digits.
func ValidCredentialID(id string) bool { return credentialID.MatchString(id) }

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

// New generates a key for the credential of an application. It panics when env or credential cannot stand in a key:
// callers have checked them.
func New(env string, clientID, credential string) string {
	if !environment.MatchString(env) || !ValidCredentialID(credential) || len(clientID) != len(prefix)+clientIDDigits {
		panic("apikey.New: invalid env, client id or credential id")
	}
	var secret [32]byte
	_, _ = rand.Read(secret[:]) // never fails: crypto/rand ends the program instead
	head := prefix + env + "_" + clientID[len(prefix):] + credential + "_" +
		base62(new(big.Int).SetBytes(secret[:]), secretChars)
	return head + checksum(head)
}

// Parse reads whose key it is, or answers ErrMalformed. It does not say that the key is valid.
func Parse(key string) (ID, error) {
	parts := strings.Split(key, "_")
	if len(key) > MaxLength || len(parts) != 4 || parts[0]+"_" != prefix || !environment.MatchString(parts[1]) ||
		len(parts[2]) <= clientIDDigits || len(parts[3]) != secretChars+checksumChars {
		return ID{}, ErrMalformed
	}
	id := ID{ClientID: prefix + parts[2][:clientIDDigits], Credential: parts[2][clientIDDigits:]}
	head := key[:len(key)-checksumChars]
	if !ValidCredentialID(id.Credential) || checksum(head) != key[len(head):] {
		return ID{}, ErrMalformed
	}
	return id, nil
}

func checksum(head string) string {
	return base62(new(big.Int).SetUint64(uint64(crc32.ChecksumIEEE([]byte(head)))), checksumChars)
}

// base62 writes n with leading zeros in the given number of characters.
func base62(n *big.Int, chars int) string {
	b := make([]byte, chars)
	radix, digit := big.NewInt(int64(len(alphabet))), new(big.Int)
	for i := chars - 1; i >= 0; i-- {
		n.DivMod(n, radix, digit)
		b[i] = alphabet[digit.Int64()]
	}
	return string(b)
}
