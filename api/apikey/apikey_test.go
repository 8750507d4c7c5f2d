package apikey_test

import (
	"encoding/hex"
	"errors"
	"hash/crc32"
	"math/big"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/apikey"
)

const (
	clientID = "eye_0123456789abcdef01234567"
	// head is all of a key but its checksum.
	head = "eye_live_0123456789abcdef01234567k2_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg"
)

// seal appends the checksum of the package's documentation, computed here on its own: base62 by math/big counts its
// letters in another case order.
func seal(head string) string {
	digits := new(big.Int).SetUint64(uint64(crc32.ChecksumIEEE([]byte(head)))).Text(62)
	swapped := strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z':
			return r - 'a' + 'A'
		case 'A' <= r && r <= 'Z':
			return r - 'A' + 'a'
		}
		return r
	}, digits)
	return head + strings.Repeat("0", 6-len(swapped)) + swapped
}

func TestNewParses(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, env := range []string{"live", "local", "a", "0", strings.Repeat("z", 16)} {
		for _, credential := range []string{"1", "k2", strings.Repeat("9", 16)} {
			for range 50 { // secrets with leading zeros, too
				key := apikey.New(env, clientID, credential)
				id, err := apikey.Parse(key)
				if want := (apikey.ID{ClientID: clientID, Credential: credential}); err != nil || id != want {
					t.Fatalf("%s is %+v (%v), want %+v", key, id, err, want)
				}
				if body := key[:len(key)-6]; seal(body) != key {
					t.Fatalf("%s has another checksum than %s", key, seal(body))
				}
				if seen[key] || len(key) > apikey.MaxLength {
					t.Fatalf("key %s: seen before %t, %d bytes", key, seen[key], len(key))
				}
				if prefix := "eye_" + env + "_" + clientID[4:] + credential + "_"; !strings.HasPrefix(key, prefix) || len(key) != len(prefix)+49 {
					t.Fatalf("%s does not have the form %s and 49 characters", key, prefix)
				}
				seen[key] = true
			}
		}
	}
}

func TestNewPanics(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][3]string{
		"no env":             {"", clientID, "1"},
		"env with _":         {"li_ve", clientID, "1"},
		"env in upper case":  {"Live", clientID, "1"},
		"long env":           {strings.Repeat("e", 17), clientID, "1"},
		"no credential":      {"live", clientID, ""},
		"credential with _":  {"live", clientID, "a_b"},
		"long credential":    {"live", clientID, strings.Repeat("1", 17)},
		"short client id":    {"live", clientID[:27], "1"},
		"other prefix":       {"live", "foo_" + clientID[4:], "1"},
		"client id not hex":  {"live", clientID[:27] + "g", "1"},
		"client id in upper": {"live", strings.ToUpper(clientID), "1"},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			apikey.New(args[0], args[1], args[2])
		}()
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	id, err := apikey.Parse(seal(head))
	if want := (apikey.ID{ClientID: clientID, Credential: "k2"}); err != nil || id != want {
		t.Errorf("%s is %+v (%v), want %+v", seal(head), id, err, want)
	}
}

// Every case but those of the checksum itself has a right one: its own fault is what is found.
func TestParseMalformed(t *testing.T) {
	t.Parallel()
	key := seal(head)
	replace := func(part, with string) string { return seal(strings.Replace(head, part, with, 1)) }
	for name, text := range map[string]string{
		"nothing":                     "",
		"prefix":                      "eye_",
		"client id":                   clientID,
		"wrong checksum":              key[:len(key)-1] + "!",
		"checksum of another":         head + seal(head + "x")[len(head)+1:],
		"checksum in upper case":      head + strings.ToUpper(key[len(head):]),
		"one character mistyped":      strings.Replace(key, "ABC", "ABD", 1),
		"two swapped":                 strings.Replace(key, "ABC", "ACB", 1),
		"cut short":                   key[:len(key)-1],
		"newline at the end":          key + "\n",
		"space before":                " " + key,
		"secret one short":            seal(head[:len(head)-1]),
		"secret one long":             seal(head + "x"),
		"secret not base62":           replace("ABC", "A-C"),
		"secret with _":               replace("ABC", "A_C"),
		"secret not ASCII":            replace("ABC", "Aé"),
		"prefix in upper case":        replace("eye_", "EYE_"),
		"other prefix":                replace("eye_", "sk_"),
		"no env":                      replace("_live_", "__"),
		"env left out":                replace("_live_", "_"),
		"env in upper case":           replace("live", "Live"),
		"long env":                    replace("live", strings.Repeat("e", 17)),
		"client id not hex":           replace("0123456789abcdef01234567", "0123456789abcdef0123456g"),
		"client id in upper case":     replace("abcdef", "ABCDEF"),
		"client id with a line break": replace("abcdef", "abc\nef"),
		"no credential":               replace("k2", ""),
		"credential in upper case":    replace("k2", "K2"),
		"long credential":             replace("k2", strings.Repeat("1", 17)),
		"five parts":                  replace("k2", "k_2"),
		"long":                        seal(head + strings.Repeat("x", 1<<16)),
	} {
		if id, err := apikey.Parse(text); !errors.Is(err, apikey.ErrMalformed) || id != (apikey.ID{}) {
			t.Errorf("%s: %.100q is %+v (%v)", name, text, id, err)
		}
	}
}

func TestParseAllocatesLittle(t *testing.T) {
	key := seal(head)
	if n := testing.AllocsPerRun(100, func() {
		if _, err := apikey.Parse(key); err != nil {
			t.Fatal(err)
		}
	}); n > 2 { // the client id, and the bytes under the checksum
		t.Errorf("%v allocations", n)
	}
}

func TestValidCredentialID(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]bool{
		"1": true, "k2": true, "0123456789abcdef": true,
		"": false, "0123456789abcdefg": false, "A": false, "a-b": false, "a_b": false, "é": false, "a\n": false, "../x": false,
	} {
		if got := apikey.ValidCredentialID(id); got != want {
			t.Errorf("%q: %t, want %t", id, got, want)
		}
	}
}

func TestValidClientID(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]bool{
		clientID: true, apikey.ClientID(uuid.New()): true,
		"": false, "eye_": false, clientID[:27]: false, clientID + "0": false, strings.ToUpper(clientID): false,
		clientID[4:]: false, " " + clientID: false, clientID[:27] + "g": false, clientID[:27] + "\n": false,
	} {
		if got := apikey.ValidClientID(id); got != want {
			t.Errorf("%q: %t, want %t", id, got, want)
		}
	}
}

// Both are kept elsewhere: by clients, and in auth's database.
func TestDerivationsAreStable(t *testing.T) {
	t.Parallel()
	uid := uuid.MustParse("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
	if got, want := apikey.ClientID(uid), "eye_37ebe338e6f51f8143f93cfe"; got != want {
		t.Errorf("client id is %s, want %s", got, want)
	}
	if apikey.ClientID(uid) == apikey.ClientID(uuid.Max) {
		t.Error("two applications have one client id")
	}
	hash := apikey.HashOf("abc") // a test vector of FIPS 180-2
	if got, want := hex.EncodeToString(hash[:]), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"; got != want {
		t.Errorf("hash is %s, want %s", got, want)
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{"", "eye_", head, seal(head), clientID, seal(head[:len(head)-1]), "eye_a_b_c", "____"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, key := range []string{text, seal(text)} {
			id, err := apikey.Parse(key)
			if err != nil {
				if !errors.Is(err, apikey.ErrMalformed) || id != (apikey.ID{}) {
					t.Fatalf("%q: %+v, %v", key, id, err)
				}
				continue
			}
			if !apikey.ValidCredentialID(id.Credential) || len(id.ClientID) != len(clientID) || seal(key[:len(key)-6]) != key ||
				!strings.Contains(key, id.ClientID[4:]+id.Credential+"_") {
				t.Fatalf("%q is %+v", key, id)
			}
		}
	})
}

func BenchmarkParse(b *testing.B) {
	key := seal(head)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = apikey.Parse(key)
	}
}
