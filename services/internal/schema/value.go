package schema

import (
	"encoding/json"
	"strings"

	"github.com/theeye-dev/theeye/api/event/jsonb"
)

// valueOf is a scanned value as the validator takes it. Numbers keep their digits.
func valueOf(v jsonb.Value) any {
	switch v.Kind() {
	case jsonb.Object:
		object := map[string]any{}
		for key, value := range v.Members {
			object[key.Text()] = valueOf(value)
		}
		return object
	case jsonb.Array:
		array := []any{}
		for element := range v.Elements {
			array = append(array, valueOf(element))
		}
		return array
	case jsonb.String:
		return v.Text()
	case jsonb.Number:
		return json.Number(v.Raw())
	case jsonb.Bool:
		return v.Raw()[0] == 't'
	default:
		return nil
	}
}

// sizeOf counts the values inside a value, itself included.
func sizeOf(v any) int {
	size := 1
	switch v := v.(type) {
	case map[string]any:
		for _, member := range v {
			size += sizeOf(member)
		}
	case []any:
		for _, element := range v {
			size += sizeOf(element)
		}
	}
	return size
}

// effort is what comparing two numbers costs, next to nothing but numbers being parsed: about as much as one evaluation.
const effort = 16

// effortOf is what comparing with a value costs at most: 1 for everything in it, and effort for a number.
func effortOf(v any) int {
	total := 1
	switch v := v.(type) {
	case json.Number:
		return effort
	case map[string]any:
		for _, member := range v {
			total += effortOf(member)
		}
	case []any:
		for _, element := range v {
			total += effortOf(element)
		}
	}
	return total
}

// pointerOf joins tokens to a JSON pointer.
func pointerOf(tokens []string) string {
	var b strings.Builder
	for _, token := range tokens {
		b.WriteString(child("", token))
	}
	return b.String()
}

// child is the pointer to a member or an element.
func child(pointer, token string) string { return pointer + "/" + jsonb.PointerToken(token) }
