package check

import "github.com/theeye-dev/theeye/services/internal/schema"

// Compiled returns the compiled schema of a type, nil when it was not compiled yet.
func (r *Rules) Compiled(category, name string) *schema.Schema {
	return r.types[typeKey{category, name}].compiled
}
