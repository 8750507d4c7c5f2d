package console

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/theeye-dev/theeye/api/event/jsonb"
	"github.com/theeye-dev/theeye/services/internal/schema"
)

// difference is where a payload is not as its schema asks.
type difference struct {
	Pointer string // into the event
	Found   string // the value there; "": there is none
	Keyword string
	Detail  string // in words
	Asked   string // the keyword's own value in the schema; "": not found
}

// differences holds an event's data against a schema, as the door does.
func differences(original string, declared json.RawMessage) []difference {
	if len(declared) == 0 {
		return nil
	}
	compiled, err := schema.Compile(declared)
	if err != nil {
		return nil
	}
	var e struct {
		Data json.RawMessage `json:"data"`
	}
	if json.Unmarshal([]byte(original), &e) != nil {
		return nil
	}
	if e.Data == nil {
		e.Data = json.RawMessage("{}") // as the door takes it
	}
	var scanner jsonb.Scanner
	scanner.Reset(e.Data)
	doc, _, fault, err := scanner.Scan()
	if err != nil || fault != nil {
		return nil
	}
	found, err := compiled.Validate(doc.Root(), &schema.Account{Left: schema.RequestWork})
	if err != nil {
		return nil
	}
	var root any
	_ = json.Unmarshal(declared, &root) // it was compiled
	var list []difference
	for _, m := range found {
		value, _ := lookUp(e.Data, m.Pointer)
		list = append(list, difference{
			Pointer: "/data" + m.Pointer, Found: clip(string(value), 300), Keyword: m.Keyword, Detail: m.Detail, Asked: asked(root, m.Pointer, m.Keyword),
		})
	}
	return list
}

// lookUp finds the value that a pointer leads to, as it was written.
func lookUp(raw json.RawMessage, pointer string) (json.RawMessage, bool) {
	for _, step := range steps(pointer) {
		var object map[string]json.RawMessage
		var array []json.RawMessage
		switch {
		case json.Unmarshal(raw, &object) == nil:
			next, ok := object[step]
			if !ok {
				return nil, false
			}
			raw = next
		case json.Unmarshal(raw, &array) == nil:
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(array) {
				return nil, false
			}
			raw = array[i]
		default:
			return nil, false
		}
	}
	return raw, true
}

func steps(pointer string) []string {
	if pointer == "" {
		return nil
	}
	list := strings.Split(strings.TrimPrefix(pointer, "/"), "/")
	for i := range list {
		list[i] = unescape(list[i])
	}
	return list
}

// maxSubschemas bounds the search for what a keyword asks: references may lead in circles.
const maxSubschemas = 1000

// asked finds a keyword's value among the subschemas for a place. Where several have it the first one is shown: the words
// beside it are the validator's own.
func asked(root any, pointer, keyword string) string {
	s := search{root: root, left: maxSubschemas}
	at := s.beside([]any{root})
	for _, step := range steps(pointer) {
		at = s.beside(s.below(at, step))
	}
	for _, candidate := range at {
		object, _ := candidate.(map[string]any)
		if value, ok := object[keyword]; ok {
			text, _ := json.Marshal(map[string]any{keyword: value}) // it was JSON
			return clip(strings.TrimSuffix(strings.TrimPrefix(string(text), "{"), "}"), 300)
		}
	}
	return ""
}

// search walks a schema.
type search struct {
	root any
	left int
}

// beside adds the subschemas that judge the same value.
func (s *search) beside(at []any) []any {
	for i := 0; i < len(at) && s.left > 0; i++ {
		s.left--
		object, _ := at[i].(map[string]any)
		if reference, ok := object["$ref"].(string); ok && strings.HasPrefix(reference, "#") {
			if target, ok := resolve(s.root, strings.TrimPrefix(reference, "#")); ok {
				at = append(at, target)
			}
		}
		for _, keyword := range []string{"allOf", "anyOf", "oneOf"} {
			list, _ := object[keyword].([]any)
			at = append(at, list...)
		}
		for _, keyword := range []string{"then", "else"} {
			if one, ok := object[keyword]; ok {
				at = append(at, one)
			}
		}
	}
	return at
}

// below are the subschemas that judge a member or an element.
func (s *search) below(at []any, step string) (next []any) {
	for _, candidate := range at {
		object, _ := candidate.(map[string]any)
		if properties, _ := object["properties"].(map[string]any); properties[step] != nil {
			next = append(next, properties[step])
			continue
		}
		if prefix, _ := object["prefixItems"].([]any); prefix != nil {
			if i, err := strconv.Atoi(step); err == nil && i >= 0 && i < len(prefix) {
				next = append(next, prefix[i])
				continue
			}
		}
		for _, keyword := range []string{"additionalProperties", "items", "unevaluatedProperties", "unevaluatedItems"} {
			if one, ok := object[keyword]; ok {
				next = append(next, one)
			}
		}
		patterns, _ := object["patternProperties"].(map[string]any)
		for _, one := range patterns {
			next = append(next, one)
		}
	}
	return next
}

// resolve follows a pointer within the schema.
func resolve(root any, pointer string) (any, bool) {
	for _, step := range steps(pointer) {
		switch container := root.(type) {
		case map[string]any:
			root = container[step]
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(container) {
				return nil, false
			}
			root = container[i]
		default:
			return nil, false
		}
	}
	return root, root != nil
}
