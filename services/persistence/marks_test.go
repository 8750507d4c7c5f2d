package persistence

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/theeye-dev/theeye/services/internal/stream"
)

var _ stream.Anchor = (*Postgres)(nil)

func TestMarksAreMovedByOneReplicaAndKeptWithTheDatabase(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	other := f.replica("second")
	want := map[string]string{"s": "1-2", "t": "3-4"}
	var name, again string
	marks, err := f.store.Anchor(t.Context(), func(store string, before map[string]string) (map[string]string, error) {
		if len(before) != 0 {
			t.Errorf("a new database has marks %v", before)
		}
		name = store
		none, err := other.Anchor(t.Context(), func(string, map[string]string) (map[string]string, error) {
			t.Error("two replicas move marks at once")
			return nil, nil
		})
		if err != nil || none != nil {
			t.Errorf("%v, %v while another replica moves marks", none, err)
		}
		return want, nil
	})
	f.must(err)
	if diff := cmp.Diff(want, marks); diff != "" {
		t.Errorf("committed: %s", diff)
	}
	trouble := errors.New("trouble")
	if marks, err = other.Anchor(t.Context(), func(string, map[string]string) (map[string]string, error) {
		return map[string]string{"s": "9-9"}, trouble
	}); !errors.Is(err, trouble) || marks != nil {
		t.Errorf("%v, %v of marks that could not be settled", marks, err)
	}
	_, err = other.Anchor(t.Context(), func(store string, before map[string]string) (map[string]string, error) {
		again = store
		if diff := cmp.Diff(want, before); diff != "" {
			t.Errorf("read again: %s", diff)
		}
		return map[string]string{"s": "0-1"}, nil // back as well: Redis may be the older one
	})
	f.must(err)
	if name == "" || again != name {
		t.Errorf("the database is called %q, and then %q", name, again)
	}
	if n := f.count("SELECT count(*) FROM persistence.marks WHERE (stream, mark) IN (('s', '0-1'), ('t', '3-4'))"); n != 2 {
		t.Errorf("%d of 2 marks are as they were moved", n)
	}
}
