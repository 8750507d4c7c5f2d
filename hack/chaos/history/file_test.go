package history_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/theeye-dev/theeye/hack/chaos/history"
)

func TestWhatWasWrittenIsRead(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "history.jsonl")
	file, err := history.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	var wg sync.WaitGroup
	for send := range int64(100) {
		wg.Go(func() {
			items := []history.Item{history.NewItem("a", []byte(`{"x":1}`), true), history.NewItem("", []byte{'"', 0xff}, false)}
			if err := file.Write(history.Line{Intent: &history.Intent{Send: send, At: at, Items: items}}); err != nil {
				t.Error(err)
			}
			if err := file.Write(history.Line{Outcome: &history.Outcome{Send: send, At: at, Status: 202, Error: fmt.Sprint(send)}}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	read, err := history.Read(strings.NewReader(string(text) + `{"intent":{"send":`))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(file.History(), read); diff != "" {
		t.Errorf("written and read differ:\n%s", diff)
	}
	if got := read.Intents[0].Items[1].Original(); got != "\"\xff" {
		t.Errorf("an item that is no UTF-8 reads %q", got)
	}
}

func TestAFileThatIsThereIsKept(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "history.jsonl")
	if err := os.WriteFile(path, []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := history.Create(path); err == nil {
		t.Error("it was made again")
	}
}

func TestBrokenLinesAreAnError(t *testing.T) {
	t.Parallel()
	if _, err := history.Read(strings.NewReader("{\n")); err == nil {
		t.Error("a broken line was read")
	}
}
