package ingest_test

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/binary"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/api/registry"
)

// gz compresses with the standard library: another implementation than the one that reads.
func gz(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(text)) // a buffer takes everything
	_ = w.Close()
	return b.String()
}

func zst(text string, options ...zstd.EOption) string {
	var b bytes.Buffer
	w, _ := zstd.NewWriter(&b, options...) // the options are constants
	_, _ = w.Write([]byte(text))           // as above
	_ = w.Close()
	return b.String()
}

// empty are as many empty members or frames as fit a body.
func empty(member string) string { return strings.Repeat(member, event.MaxRequestBytes/len(member)) }

// broken changes the byte that stands n before the end.
func broken(body string, n int) string {
	b := []byte(body)
	b[len(b)-n] ^= 0xff
	return string(b)
}

// noise is an array of events of about n bytes that hardly compresses.
func noise(n int) string {
	r := rand.New(rand.NewPCG(1, 2))
	data := make([]byte, 30_000)
	var b strings.Builder
	for b.Len() < n {
		for i := range data {
			data[i] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"[r.IntN(64)]
		}
		b.WriteString(cmp.Or(map[bool]string{true: "["}[b.Len() == 0], ",") + with(`"data":{"a":"`+string(data)+`"}`))
	}
	return b.String() + "]"
}

func codings() map[string]contract {
	coded := func(coding, body string) contract {
		return contract{header: []string{"Content-Encoding", coding}, body: body, status: 202, verdicts: accepted(1), appended: accepted(1)}
	}
	refused := func(coding, body, code, detail string) contract {
		status := map[string]int{"request.undecodable": 400, "request.no_events": 400, "request.malformed": 400, "request.content_coding": 415, "request.too_large": 413}[code]
		return contract{header: []string{"Content-Encoding", coding}, body: body, status: status, code: code, detail: detail}
	}
	mib := strings.Repeat(" ", 1<<20)
	many := coded("gzip", gz(repeat(good, 5000)))
	many.verdicts, many.appended = accepted(5000), accepted(5000)
	manyZstd := many
	manyZstd.header, manyZstd.body = []string{"Content-Encoding", "zstd"}, zst(repeat(good, 5000))
	chunked := coded("gzip", gz(good))
	chunked.chunked = true
	large, incompressible := noise(3<<20), gz(noise(3<<20))
	big := coded("gzip", incompressible)
	big.verdicts = accepted(strings.Count(large, good[:len(good)-1]))
	big.appended = big.verdicts
	bigZstd := big
	bigZstd.header, bigZstd.body = []string{"Content-Encoding", "zstd"}, zst(large)
	second := coded("identity", gz(good))
	second.header = append(second.header, "Content-Encoding", "gzip")
	skippable := "\x50\x2a\x4d\x18" + string(binary.LittleEndian.AppendUint32(nil, 3)) + "abc"
	claims := "\x28\xb5\x2f\xfd\xa0" + string(binary.LittleEndian.AppendUint32(nil, 1<<30)) + "\x01\x00\x00"
	far := "\x28\xb5\x2f\xfd\x00\x70\x19\x00\x00{}\n" // a window of 16 MiB
	return map[string]contract{
		"identity":                   coded("Identity", good),
		"empty list":                 coded(" , ", good),
		"gzip":                       coded("gzip", gz(good)),
		"gzip in capitals":           coded("GZIP", gz(good)),
		"x-gzip":                     coded("x-gzip", gz(good)),
		"gzip beside identity":       coded("identity, gzip", gz(good)),
		"gzip in a second line":      second,
		"gzip, chunked":              chunked,
		"gzip, members":              coded("gzip", gz(good[:9])+gz("")+gz(good[9:])),
		"gzip, many alike":           many,
		"gzip, large":                big,
		"gzip of 1 MiB of nothing":   coded("gzip", gz(good+mib[:1<<20-len(good)])),
		"gzip above the ratio":       refused("gzip", gz(good+mib), "request.too_large", "100 times"),
		"gzip bomb":                  refused("gzip", gz(strings.Repeat(mib, 64)), "request.too_large", "4194304"),
		"gzip, too large":            refused("gzip", gz(large+strings.Repeat(" ", 2<<20)), "request.too_large", "4194304"),
		"gzip, packed too large":     refused("gzip", strings.Repeat(incompressible, 2), "request.too_large", "4194304"),
		"gzip, truncated":            refused("gzip", gz(good)[:len(gz(good))-9], "request.undecodable", "cut off"),
		"gzip without its end":       refused("gzip", gz(good)[:len(gz(good))-1], "request.undecodable", "cut off"),
		"gzip, half a header":        refused("gzip", gz(good)[:5], "request.undecodable", "cut off"),
		"gzip and garbage":           refused("gzip", gz(good)+"garbage, more than a header", "request.undecodable", "bytes follow"),
		"gzip and a zero":            refused("gzip", gz(good)+"\x00", "request.undecodable", "bytes follow"),
		"gzip, members and a line":   refused("gzip", gz(good)+gz("")+"\n", "request.undecodable", "bytes follow"),
		"gzip, second cut":           refused("gzip", gz(good)+gz(" ")[:5], "request.undecodable", "cut off"),
		"gzip, second cut in body":   refused("gzip", gz(good)+gz(" ")[:12], "request.undecodable", "cut off"),
		"gzip with another sum":      refused("gzip", broken(gz(good), 6), "request.undecodable", "checksum"),
		"gzip with another size":     refused("gzip", broken(gz(good), 1), "request.undecodable", "checksum"),
		"gzip, damaged":              refused("gzip", gz(good)[:10]+"\xff"+gz(good)[11:], "request.undecodable", "damaged"),
		"plain as gzip":              refused("gzip", good, "request.undecodable", "not gzip"),
		"zstd as gzip":               refused("gzip", zst(good), "request.undecodable", "not gzip"),
		"gzip of nothing":            refused("gzip", gz(""), "request.no_events", ""),
		"gzip, empty":                refused("gzip", "", "request.no_events", ""),
		"gzip of half an event":      refused("gzip", gz(good[:20]), "request.malformed", "line 1, column 21"),
		"gzip, empty members":        refused("gzip", empty(gz("")), "request.no_events", ""),
		"zstd":                       coded("zstd", zst(good)),
		"zstd, frames":               coded("zstd", zst(good[:9])+skippable+zst("")+zst(good[9:])),
		"zstd, many alike":           manyZstd,
		"zstd, large":                bigZstd,
		"zstd without sum":           coded("zstd", zst(good, zstd.WithEncoderCRC(false))),
		"zstd in a window of 8 MiB":  coded("zstd", zst(good, zstd.WithWindowSize(8<<20), zstd.WithSingleSegment(false))),
		"zstd in a window of 16 MiB": refused("zstd", far, "request.undecodable", "8 MiB"),
		"zstd above the ratio":       refused("zstd", zst(good+mib), "request.too_large", "100 times"),
		"zstd bomb":                  refused("zstd", zst(strings.Repeat(mib, 64)), "request.too_large", ""),
		"zstd bombs":                 refused("zstd", strings.Repeat(zst(strings.Repeat(mib, 3)), 9), "request.too_large", ""),
		"zstd that claims a GiB":     refused("zstd", claims, "request.too_large", "100 times"),
		"zstd, too large":            refused("zstd", zst(large+strings.Repeat(" ", 2<<20)), "request.too_large", "4194304"),
		"zstd, truncated":            refused("zstd", zst(good)[:len(zst(good))-9], "request.undecodable", "cut off"),
		"zstd without its end":       refused("zstd", zst(good)[:len(zst(good))-1], "request.undecodable", "cut off"),
		"zstd, a byte":               refused("zstd", zst(good)[:1], "request.undecodable", "cut off"),
		"zstd and garbage":           refused("zstd", zst(good)+"garbage", "request.undecodable", "from its beginning to its end"),
		"zstd and a zero":            refused("zstd", zst(good)+"\x00", "request.undecodable", ""),
		"zstd with another sum":      refused("zstd", broken(zst(good), 1), "request.undecodable", "checksum"),
		"plain as zstd":              refused("zstd", good, "request.undecodable", "not zstd"),
		"zstd, empty frames":         refused("zstd", empty(zst("", zstd.WithZeroFrames(true))), "request.no_events", ""),
		"deflate":                    refused("deflate", good, "request.content_coding", "deflate"),
		"brotli beside gzip":         refused("gzip, br", good, "request.content_coding", "br is not supported"),
		"gzip twice":                 refused("gzip, gzip", gz(gz(good)), "request.content_coding", "more than once"),
		"zstd in gzip":               refused("zstd,gzip", gz(zst(good)), "request.content_coding", "more than once"),
		"unknown in a second line":   {header: []string{"Content-Encoding", "gzip", "Content-Encoding", "x"}, body: gz(good), status: 415, code: "request.content_coding", detail: "Content-Encoding x"},
	}
}

func TestCodings(t *testing.T) {
	t.Parallel()
	newDoor(t).keeps(t, codings())
}

func TestUnsupportedNamesWhatIs(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	a := d.register(nextUID(), registry.Policy{})
	if got := d.post(a, good, "Content-Encoding", "br"); got.header.Get("Accept-Encoding") != "gzip, zstd, identity" || got.header.Get("Accept") != "" {
		t.Errorf("after a coding: %v", got.header)
	}
	got := d.send("POST", "/v1/events", strings.NewReader(good), "Authorization", "Bearer "+a.key, "Content-Type", "text/html")
	if got.status != 415 || got.header.Get("Accept") != "application/json, application/cloudevents+json, application/cloudevents-batch+json, application/x-ndjson, text/plain" || got.header.Get("Accept-Encoding") != "" {
		t.Errorf("after a media type: %d %v", got.status, got.header)
	}
}
