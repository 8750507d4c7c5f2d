package persistence

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/theeye-dev/theeye/services/internal/fault"
)

func sealOf(t *testing.T, salt string) *seal {
	t.Helper()
	s, err := newSeal([]byte(salt))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// unsealed is the block that an id is.
func unsealed(t *testing.T, id string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.Strict().DecodeString(id)
	if err != nil || len(b) != 16 {
		t.Fatalf("%q is no sealed place: %v", id, err)
	}
	return b
}

// TestSeal: a place is read out of its id under the same salt, and out of nothing else.
func TestSeal(t *testing.T) {
	t.Parallel()
	s := sealOf(t, "salt")
	last := place{sealedMilliseconds - 1, sealedNumbers - 1, sealedLines - 1}
	for _, p := range []place{{}, {line: 1}, {n: 1}, {ms: 1}, {1764370062123, 7, 11}, last} {
		id := s.id(p)
		if got, ok := s.open(id); !ok || got != p || id != sealOf(t, "salt").id(p) {
			t.Errorf("%s is sealed as %q, and read as %s, %t", p, id, got, ok)
		}
		if got, ok := sealOf(t, "another").open(id); ok {
			t.Errorf("%s is read under another salt, as %s", p, got)
		}
		for bit := range 128 {
			b := unsealed(t, id)
			b[bit/8] ^= 1 << (bit % 8)
			if got, ok := s.open(base64.RawURLEncoding.EncodeToString(b)); ok {
				t.Errorf("%s with bit %d turned is read as %s", p, bit, got)
			}
		}
	}
	for _, p := range []place{{ms: sealedMilliseconds}, {n: sealedNumbers}, {line: sealedLines}} {
		if id := s.id(p); id != "" {
			t.Errorf("%s is sealed as %q", p, id)
		}
	}
	id := s.id(last)
	for _, text := range []string{"", "x", last.String(), id[1:], id + "A", id + "==", id[:21] + "_", strings.Repeat("A", 22), strings.Repeat("!", 22)} {
		if got, ok := s.open(text); ok {
			t.Errorf("%q is read as %s", text, got)
		}
	}
}

// FuzzSeal: whatever is read is written the same.
func FuzzSeal(f *testing.F) {
	s, err := newSeal([]byte("salt"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(s.id(place{1764370062123, 7, 11}))
	f.Add("1764370062123-7.11")
	f.Add("KjNrG1YzhRA6pp-W83\rf9Ww")
	f.Fuzz(func(t *testing.T, text string) {
		if p, ok := s.open(strings.TrimSpace(text)); ok && s.id(p) != strings.TrimSpace(text) {
			t.Errorf("%q is read as %s", text, p)
		}
	})
}

// TestIDsTellNothing: of a batch of several applications' events, the ids that one of them hears say no more than those of a
// batch of its own: not where they stand, nor how far from each other; and who asks for a place is told nothing by the answer.
func TestIDsTellNothing(t *testing.T) {
	t.Parallel()
	a := newAudience(t)
	own, all := a.stream(a.url, a.keys[blog], "", ""), a.stream(a.url, adminToken, "", "")
	mine := manyItems("mine", 40)
	a.insert(a.request(shop, manyItems("b", 30)...), a.request(blog, mine[:20]...), a.request(shop, manyItems("c", 70)...))
	a.insert(a.request(blog, mine[20:]...))
	ids := a.ids(own, 40)
	a.same("the ids of who hears all", true, strings.Contains(strings.Join(a.ids(all, 140), " "), ids[0]))
	a.awaitTail(a.tail, "all were read", func() bool { return len(a.tail.messages) == 140 })
	risen, seen := 0, map[string]bool{}
	for i, id := range ids {
		b := unsealed(t, id)
		for _, half := range []string{string(b[:8]), string(b[8:])} { // of one millisecond, and of one line, nothing is the same
			if seen[half] {
				t.Errorf("a half of %s was there before", id)
			}
			seen[half] = true
		}
		if i > 0 && bytes.Compare(unsealed(t, ids[i-1]), b) < 0 {
			risen++
		}
	}
	if risen < 5 || risen > 34 { // of 39; less likely than one in a billion without an order
		t.Errorf("%d of %d ids are greater than the one before", risen, len(ids))
	}
	a.same("behind the first", ids[1:], a.ids(a.stream(a.url, a.keys[blog], "", ids[0]), 39))

	a.tail.mu.Lock()
	there := a.tail.messages[len(a.tail.messages)-1].place
	a.tail.mu.Unlock()
	never := there
	never.line++
	for _, given := range []string{there.String(), never.String(), sealOf(t, "another").id(there), sealOf(t, "another").id(never)} {
		response := a.open(t.Context(), a.url, a.keys[blog], "", given) //nolint:bodyclose // its cleanup does
		var problem fault.Problem
		a.must(json.NewDecoder(response.Body).Decode(&problem))
		if response.StatusCode != http.StatusBadRequest || problem.Detail != "Last-Event-ID is not an id that this service gave out" {
			t.Errorf("%s: answered %d %+v", given, response.StatusCode, problem)
		}
	}
}

// ids waits for n outcomes, and returns their ids.
func (a *audience) ids(s *listener, n int) (ids []string) {
	a.Helper()
	for range n {
		e, ok := s.next()
		if !ok || e.kind != string(Stored) {
			a.Fatalf("came %+v after %d", e, len(ids))
		}
		ids = append(ids, e.id)
	}
	return ids
}

// TestSealIsOfTheInstallation: replicas read each other's ids, also once the database has taken another salt; and one that
// has its seal needs no database.
func TestSealIsOfTheInstallation(t *testing.T) {
	t.Parallel()
	a := newAudience(t)
	first, second, at := &Reader{Store: a.store}, &Reader{Store: a.store}, place{1764370062123, 7, 11}
	reads := func(what string, r *Reader, id string) {
		t.Helper()
		got, err := r.resumed(t.Context(), id)
		if err != nil || got.after == nil || *got.after != at || got.seal.id(at) != a.sealed(at) {
			t.Errorf("%s: %+v, %v", what, got, err)
		}
	}
	reads("one", first, a.sealed(at))
	_, err := a.pool.Exec(t.Context(), "UPDATE persistence.session_salt SET salt = 'another'")
	a.must(err)
	reads("one that has another salt", first, a.sealed(at))
	reads("another", second, a.sealed(at))

	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := retried(first.resumed)(gone, a.sealed(at)); err != nil || *got.after != at {
		t.Errorf("without a database: %+v, %v", got, err)
	}
	for what, r := range map[string]*Reader{"one that has no seal yet": {Store: a.store}, "one that is asked for an id it cannot read": first} {
		if _, err := retried(r.resumed)(gone, "x"); fault.ProblemOf(err).Code != fault.CodeUnavailable {
			t.Errorf("%s: %v", what, err)
		}
	}
}
