package persistence

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

// conditions builds a WHERE clause.
type conditions struct {
	clauses []string
	args    []any
}

// add appends a clause whose %s are the numbers of the arguments.
func (c *conditions) add(format string, args ...any) {
	places := make([]any, len(args))
	for i, a := range args {
		c.args = append(c.args, a)
		places[i] = "$" + strconv.Itoa(len(c.args))
	}
	c.clauses = append(c.clauses, fmt.Sprintf(format, places...))
}

func (c *conditions) String() string {
	if len(c.clauses) == 0 {
		return "true"
	}
	return strings.Join(c.clauses, " AND ")
}

// arrayOf is an argument for a uuid[]; that of nil is NULL.
func arrayOf(ids []uuid.UUID) (array [][16]byte) {
	if ids != nil {
		array = make([][16]byte, len(ids))
	}
	for i, id := range ids {
		array[i] = id
	}
	return array
}
