package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// difference compares two JSON texts as values and answers where they first differ, as a JSON pointer with both
// values; empty when they are equal. The order of members and the way a string or number is written don't matter;
// a number's exact decimal value does. It shares no code with TheEye's own comparison, which it may prove wrong.
func difference(want, got []byte) (string, error) {
	a, err := decode(want)
	if err != nil {
		return "", fmt.Errorf("decode what was sent: %w", err)
	}
	b, err := decode(got)
	if err != nil {
		return "", fmt.Errorf("decode what was read: %w", err)
	}
	return differ("", a, b), nil
}

func decode(text []byte) (value any, err error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&value); err != nil {
		return nil, err //nolint:wrapcheck // callers say which
	}
	return value, nil
}

func differ(pointer string, want, got any) string {
	switch a := want.(type) {
	case map[string]any:
		if b, ok := got.(map[string]any); ok {
			return differObjects(pointer, a, b)
		}
	case []any:
		if b, ok := got.([]any); ok {
			return differArrays(pointer, a, b)
		}
	case json.Number:
		if b, ok := got.(json.Number); ok && decimal(a.String()) == decimal(b.String()) {
			return ""
		}
	default: // string, bool or nil
		if want == got && sameKind(want, got) {
			return ""
		}
	}
	return fmt.Sprintf("%q: sent %s, read %s", pointer, show(want), show(got))
}

// sameKind tells a string from a number that is written the same.
func sameKind(a, b any) bool { return fmt.Sprintf("%T", a) == fmt.Sprintf("%T", b) }

func differObjects(pointer string, want, got map[string]any) string {
	for _, name := range slices.Sorted(maps.Keys(want)) {
		at := pointer + "/" + pointerToken(name)
		value, ok := got[name]
		if !ok {
			return fmt.Sprintf("%q: sent %s, read nothing", at, show(want[name]))
		}
		if d := differ(at, want[name], value); d != "" {
			return d
		}
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[name]; !ok {
			return fmt.Sprintf("%q: sent nothing, read %s", pointer+"/"+pointerToken(name), show(got[name]))
		}
	}
	return ""
}

func differArrays(pointer string, want, got []any) string {
	for i := range min(len(want), len(got)) {
		if d := differ(pointer+"/"+strconv.Itoa(i), want[i], got[i]); d != "" {
			return d
		}
	}
	if len(want) != len(got) {
		return fmt.Sprintf("%q: sent %d elements, read %d", pointer, len(want), len(got))
	}
	return ""
}

// pointerToken escapes a name for a JSON pointer (RFC 6901).
func pointerToken(name string) string { return strings.NewReplacer("~", "~0", "/", "~1").Replace(name) }

// show writes a value, cut to what a line bears.
func show(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		return err.Error()
	}
	const most = 80
	if len(text) > most {
		return string(text[:most]) + "…"
	}
	return string(text)
}

// number is a decimal number in the one form that each value has: digits without zeros at either end, times a power
// of ten. Zero has no digits.
type number struct {
	negative bool
	digits   string
	exponent int
}

// decimal reads a JSON number exactly, however long it is.
func decimal(text string) number {
	var n number
	text, n.negative = strings.CutPrefix(text, "-")
	if at := strings.IndexAny(text, "eE"); at >= 0 {
		n.exponent, _ = strconv.Atoi(text[at+1:]) // a JSON number's exponent is an integer
		text = text[:at]
	}
	whole, fraction, _ := strings.Cut(text, ".")
	digits := strings.TrimLeft(whole+fraction, "0")
	n.exponent -= len(fraction)
	n.digits = strings.TrimRight(digits, "0")
	n.exponent += len(digits) - len(n.digits)
	if n.digits == "" {
		return number{} // also -0
	}
	return n
}
