package operator

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/theeye-dev/theeye/api/apikey"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/api/v1alpha1"
)

// Entry is one credential in a Secret's annotation theeye.dev/credentials: all of it but the secret itself.
type Entry struct {
	ID       string          `json:"id"`
	SHA256   registry.Digest `json:"sha256"`
	IssuedAt time.Time       `json:"issuedAt"`
	// Request is the value of the annotation theeye.dev/rotate that it answers.
	Request string `json:"request,omitempty"`
	// Source is the existing Secret that it was read from; "": it was generated.
	Source string `json:"source,omitempty"`
	// ReplacedAt is when a newer one was published, and NotAfter when it ends therefore.
	ReplacedAt *time.Time `json:"replacedAt,omitempty"`
	NotAfter   *time.Time `json:"notAfter,omitempty"`
}

// Book is the annotation: the credential in the Secret, and the one before it while that is still valid.
type Book []Entry

// String is the annotation's text.
func (b Book) String() string {
	text, err := json.Marshal(b)
	if err != nil {
		return "" // times beyond the year 9999; a book without one is made again
	}
	return string(text)
}

// readBook reads the annotation of a Secret; nil when there is none that can be right.
func readBook(secret *corev1.Secret) Book {
	var book Book
	if err := json.Unmarshal([]byte(secret.Annotations[v1alpha1.CredentialsAnnotation]), &book); err != nil {
		return nil
	}
	if len(book) < 1 || len(book) > 2 || book[0].ReplacedAt != nil || len(book) == 2 && book[0].ID == book[1].ID {
		return nil
	}
	for i := range book {
		e := &book[i]
		if !apikey.ValidCredentialID(e.ID) || e.SHA256 == (registry.Digest{}) || i == 1 && e.NotAfter == nil || !e.tidy() {
			return nil
		}
	}
	return book
}

// lastYear leaves room for an overlap before the year 9999, which is the last that JSON can say.
const lastYear = 9000

// tidy brings an entry's times to the form that auth gives them back in; without it they would never look alike. It
// tells whether they can be right.
func (e *Entry) tidy() bool {
	e.IssuedAt = second(e.IssuedAt)
	ok := e.IssuedAt.Year() <= lastYear
	for _, moment := range []*time.Time{e.ReplacedAt, e.NotAfter} {
		if moment != nil {
			*moment = second(*moment)
			ok = ok && moment.Year() <= lastYear
		}
	}
	return ok
}

// maxAhead is how far a clock may be behind the one that wrote a book; beyond that the book is of a clock that was wrong,
// and would put rotations off and deadlines out.
const maxAhead = 5 * time.Minute

// notAhead takes moments that have not come yet for now.
func (b Book) notAhead(now time.Time, overlap time.Duration) {
	for i := range b {
		e := &b[i]
		if e.IssuedAt.After(now.Add(maxAhead)) {
			e.IssuedAt = now
		}
		if e.ReplacedAt != nil && e.ReplacedAt.After(now.Add(maxAhead)) {
			e.ReplacedAt = &now
		}
		if latest := after(now.Add(maxAhead), overlap); e.NotAfter != nil && e.ReplacedAt == nil && e.NotAfter.After(*latest) {
			e.NotAfter = after(now, overlap)
		}
	}
}

// longestRequest is kept as it is; of a longer one a hash is enough to tell whether it is new.
const longestRequest = 64

// requestOf is what an Application's annotation theeye.dev/rotate asks for.
func requestOf(app *v1alpha1.Application) string {
	value := app.Annotations[v1alpha1.RotateAnnotation]
	if len(value) > longestRequest {
		sum := sha256.Sum256([]byte(value))
		return hex.EncodeToString(sum[:])
	}
	return value
}

// readKey finds the API key in a Secret that was written with template keys: under its own names or a renamed one.
func readKey(secret *corev1.Secret, keys map[string]string) string {
	names := []string{v1alpha1.KeyAPIKey, v1alpha1.KeyClientSecret}
	for name, text := range keys {
		if text == reference(v1alpha1.KeyAPIKey) || text == reference(v1alpha1.KeyClientSecret) {
			names = append(names, name)
		}
	}
	slices.Sort(names[2:])
	for _, name := range names {
		if key := string(secret.Data[name]); key != "" {
			return key
		}
	}
	return ""
}

// findKey finds the key of a credential in a Secret, whatever it is called there.
func (e *Entry) findKey(secret *corev1.Secret) string {
	for _, value := range secret.Data {
		if digest(string(value)) == e.SHA256 {
			return string(value)
		}
	}
	return ""
}

// digest is what auth is told of a key.
func digest(key string) registry.Digest { return registry.Digest(apikey.HashOf(key)) }

// number orders credential ids; those that the operator did not give come first.
func number(id string) int64 {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil || n > maxNumber {
		return -1
	}
	return n
}

// maxNumber is more than an application ever has, and leaves room to count on: an id has sixteen characters at most.
const maxNumber = 1e12
