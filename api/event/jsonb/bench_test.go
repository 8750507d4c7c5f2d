package jsonb_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/theeye-dev/theeye/api/event/jsonb"
)

// typical is an event of some 400 bytes.
const typical = `{"session_id":"e2085be5-9137-4e4e-80b5-f1ffddc25423","category":"page interaction","name":"pageview",` +
	`"timestamp":"2021-01-01T09:15:27.243860Z","data":{"host":"www.example.com","path":"/products/coffee/ethiopia-yirgacheffe",` +
	`"referrer":"https://search.example.org/?q=coffee+beans","viewport":{"width":1440,"height":900},"language":"en-GB","returning":true,` +
	`"load_ms":183.25,"tags":["spring","sale"],"user":42}}`

// batch is an array of n typical events.
func batch(n int) string { return "[" + strings.Repeat(typical+",", n-1) + typical + "]" }

// wire is how a decoder without the scanner would read an event.
type wire struct {
	ID        string          `json:"id"`
	SessionID string          `json:"session_id"`
	Category  string          `json:"category"`
	Name      string          `json:"name"`
	Timestamp string          `json:"timestamp"`
	Data      json.RawMessage `json:"data"`
}

// BenchmarkShortValues scans the most values that a body can have for its bytes: what costs most of what hostile clients send.
func BenchmarkShortValues(b *testing.B) {
	for name, one := range map[string]string{"numbers": "1,", "strings": `"a",`, "fractions": "-1.5e3,", "arrays": "[],", "members": `{"a":1},`} {
		text := []byte("[" + strings.Repeat(one, 1_000_000/len(one)) + "1]")
		var s jsonb.Scanner
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				s.Reset(text)
				if _, _, _, err := s.Scan(); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/skimmed", func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				s.Reset(text)
				if err := s.Skim(); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/json.Valid", func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if !json.Valid(text) {
					b.Fatal("not valid")
				}
			}
		})
	}
}

func BenchmarkScan(b *testing.B) {
	for _, n := range []int{1, 100} {
		text := typical
		if n > 1 {
			text = batch(n)
		}
		body := []byte(text)
		run := func(name string, op func() error) {
			b.Run(fmt.Sprintf("%s/events=%d", name, n), func(b *testing.B) {
				b.SetBytes(int64(len(body)))
				b.ReportAllocs()
				for b.Loop() {
					if err := op(); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/event")
			})
		}
		var s jsonb.Scanner
		run("jsonb.Scan", func() error {
			s.Reset(body)
			if n > 1 { // as a request is split: one scan an event
				s.Skip()
			}
			for range n {
				_, _, fault, err := s.Scan()
				if err != nil || fault != nil {
					return fmt.Errorf("%v %w", fault, err)
				}
				if n > 1 {
					s.Peek()
					s.Skip()
				}
			}
			return nil
		})
		run("json.Valid", func() error {
			if !json.Valid(body) {
				return fmt.Errorf("not valid")
			}
			return nil
		})
		run("json.Unmarshal", func() error {
			if n == 1 {
				return json.Unmarshal(body, new(wire))
			}
			return json.Unmarshal(body, new([]wire))
		})
	}
}

func BenchmarkUniqueKeys(b *testing.B) {
	for _, n := range []int{4, 8, 12, 16, 32, 100, 1000} {
		body := []byte(object(n, nil))
		b.Run(fmt.Sprintf("members=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			var s jsonb.Scanner
			for b.Loop() {
				s.Reset(body)
				if _, _, fault, err := s.Scan(); fault != nil || err != nil {
					b.Fatal(fault, err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/member")
		})
	}
}

func BenchmarkAppendCanonical(b *testing.B) {
	var s jsonb.Scanner
	s.Reset([]byte(typical))
	doc, _, _, err := s.Scan()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	var dst []byte
	for b.Loop() {
		dst = doc.Root().AppendCanonical(dst[:0])
	}
}
