package testenv

import (
	"bytes"
	"fmt"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"sigs.k8s.io/yaml"

	"github.com/theeye-dev/theeye/api"
)

// openAPI is api/openapi.yaml, ready to judge by. Routes, parameters, security and headers are kin-openapi's part. It
// would compile a schema anew for every body, which costs most of a millisecond: bodies are checked by the JSON Schema
// library that it uses itself.
type openAPI struct {
	document *openapi3.T
	router   routers.Router
	compiler *jsonschema.Compiler
	mutex    sync.Mutex                    // of the compiler
	compiled map[string]*jsonschema.Schema // by JSON pointer
}

// agreement reads the document, once per test binary.
var agreement = sync.OnceValues(readOpenAPI) //nolint:gochecknoglobals // it never changes

func readOpenAPI() (*openAPI, error) {
	document, err := openapi3.NewLoader().LoadFromData(api.OpenAPI)
	if err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	router, err := legacy.NewRouter(document) // validates the document, its examples too
	if err != nil {
		return nil, fmt.Errorf("validate: %w", err)
	}
	text, err := yaml.YAMLToJSON(api.OpenAPI)
	if err != nil {
		return nil, fmt.Errorf("convert: %w", err)
	}
	tree, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	closeObjects(tree)
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	compiler.AssertFormat()
	if err := compiler.AddResource(documentURL, tree); err != nil {
		return nil, fmt.Errorf("add: %w", err)
	}
	return &openAPI{document: document, router: router, compiler: compiler, compiled: map[string]*jsonschema.Schema{}}, nil
}

// documentURL names the document to the compiler; nothing is loaded from it.
const documentURL = "file:///openapi.json"

// schemasURL begins the references to named schemas.
const schemasURL = "#/components/schemas/"

// closer makes every object that names its members refuse others. Clients must not do so, for members may be added;
// but what is answered today is to be in the document. A schema that others are put together from is closed where it is
// used as a whole.
type closer struct {
	parts map[string]bool // by reference
}

func closeObjects(document any) {
	c := closer{parts: map[string]bool{}}
	c.collect(document, false)
	c.close(document, "#", false)
}

func (c closer) collect(node any, part bool) {
	switch node := node.(type) {
	case map[string]any:
		if reference, ok := node["$ref"].(string); ok && part {
			c.parts[reference] = true
		}
		for name, child := range node {
			c.collect(child, name == "allOf")
		}
	case []any:
		for _, child := range node {
			c.collect(child, part)
		}
	}
}

func (c closer) close(node any, at string, part bool) {
	switch node := node.(type) {
	case map[string]any:
		_, named := node["properties"].(map[string]any)
		_, open := node["additionalProperties"]
		_, sum := node["allOf"]
		reference, _ := node["$ref"].(string)
		for name, child := range node {
			c.close(child, at+"/"+name, name == "allOf")
		}
		if (named && !open || sum || c.parts[reference]) && !part && !c.parts[at] {
			node["unevaluatedProperties"] = false
		}
	case []any:
		for _, child := range node {
			c.close(child, at, part)
		}
	}
}

// schema returns the compiled schema at a JSON pointer of the document.
func (o *openAPI) schema(pointer string) (*jsonschema.Schema, error) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	if schema := o.compiled[pointer]; schema != nil {
		return schema, nil
	}
	schema, err := o.compiler.Compile(documentURL + pointer)
	if err != nil {
		return nil, fmt.Errorf("compile %s: %w", pointer, err)
	}
	o.compiled[pointer] = schema
	return schema, nil
}

// conforms says whether a JSON text is as the schema at a pointer says.
func (o *openAPI) conforms(body []byte, pointer string) error {
	schema, err := o.schema(pointer)
	if err != nil {
		return err
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("decode: %w", err)
	}
	return schema.Validate(value) //nolint:wrapcheck // it says where
}

// escape writes a name as a step of a JSON pointer in a URL's fragment.
func escape(name string) string {
	return strings.NewReplacer("~", "~0", "/", "~1", "%", "%25", "{", "%7B", "}", "%7D").Replace(name)
}
