package main

import (
	"fmt"
	"io"

	"github.com/theeye-dev/theeye/api/event"
)

// verdict is what comparing what was read with what was sent found.
type verdict struct {
	equal      int
	missing    []string // ids
	different  []string // ids, each with the first difference
	repeated   []string // ids that came back more than once
	unexpected []string // ids that nobody sent
}

// judge compares events by their id.
func judge(want []sent, got []read) verdict {
	var v verdict
	byID := map[string]*read{}
	for i := range got {
		if byID[got[i].ID] != nil {
			v.repeated = append(v.repeated, got[i].ID)
		}
		byID[got[i].ID] = &got[i]
	}
	for i := range want {
		back := byID[want[i].ID]
		delete(byID, want[i].ID)
		if back == nil {
			v.missing = append(v.missing, want[i].ID)
			continue
		}
		if d := differs(&want[i], back); d != "" {
			v.different = append(v.different, want[i].ID+": "+d)
			continue
		}
		v.equal++
	}
	for id := range byID {
		v.unexpected = append(v.unexpected, id)
	}
	return v
}

func differs(want *sent, got *read) string {
	for _, field := range []struct{ name, want, got string }{
		{"session_id", want.SessionID, got.SessionID},
		{"category", want.Category, got.Category},
		{"name", want.Name, got.Name},
		{"timestamp", want.Timestamp, got.Timestamp},
		{"type", event.Type(want.Category, want.Name), got.Type},
	} {
		if field.want != field.got {
			return fmt.Sprintf("%s: sent %q, read %q", field.name, field.want, field.got)
		}
	}
	d, err := difference(want.Data, got.Data)
	if err != nil {
		return err.Error()
	}
	if d != "" {
		d = "data at " + d
	}
	return d
}

// ok says that all came back equal, once, and nothing else.
func (v *verdict) ok() bool {
	return len(v.missing)+len(v.different)+len(v.repeated)+len(v.unexpected) == 0
}

// print shows the counts and of each fault the first few.
func (v *verdict) print(w io.Writer, title string) {
	share := 0.0
	if total := v.equal + len(v.different) + len(v.missing); total > 0 {
		share = 100 * float64(v.equal) / float64(total)
	}
	_, _ = fmt.Fprintf(w, "%-34s %5d equal (%.2f %%), %d different, %d missing, %d twice, %d unexpected\n", title, v.equal, share,
		len(v.different), len(v.missing), len(v.repeated), len(v.unexpected))
	for _, list := range []struct {
		kind  string
		items []string
	}{{"different", v.different}, {"missing", v.missing}, {"twice", v.repeated}, {"unexpected", v.unexpected}} {
		const most = 10
		for i, item := range list.items {
			if i == most {
				_, _ = fmt.Fprintf(w, "  %s: %d more\n", list.kind, len(list.items)-most)
				break
			}
			_, _ = fmt.Fprintf(w, "  %s: %s\n", list.kind, item)
		}
	}
}
