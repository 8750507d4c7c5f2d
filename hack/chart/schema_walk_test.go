package chart_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// schema is what the tests read of a JSON Schema.
type schema struct {
	Ref         string            `json:"$ref"`
	Properties  map[string]schema `json:"properties"`
	AllOf       []schema          `json:"allOf"`
	Defs        map[string]schema `json:"$defs"`
	Definitions map[string]schema `json:"definitions"`
}

func readSchema(t *testing.T) schema {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(chartDir, "values.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	root := schema{}
	if err := json.Unmarshal(text, &root); err != nil {
		t.Fatal(err)
	}
	return root
}

// walk visits every property down to those with people's own words in them, whose names are not the chart's.
func (s schema) walk(root schema, visit func(path string), path ...string) {
	for name, property := range s.resolve(root).Properties {
		at := append(slices.Clone(path), name)
		visit(strings.Join(at, "."))
		if !slices.Contains(free, name) {
			property.walk(root, visit, at...)
		}
	}
}

// resolve follows references; what stands beside one comes first.
func (s schema) resolve(root schema) schema {
	parts := s.AllOf
	if name := s.Ref[strings.LastIndex(s.Ref, "/")+1:]; s.Ref != "" {
		if target, found := root.Defs[name]; found {
			parts = append(parts, target)
		} else {
			parts = append(parts, root.Definitions[name])
		}
	}
	for _, part := range parts {
		part = part.resolve(root)
		if s.Properties == nil {
			s.Properties = part.Properties
		}
	}
	s.Ref, s.AllOf = "", nil
	return s
}
