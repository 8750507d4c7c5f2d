package checker

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"
)

// content is what an event says, in a form in which equal is equal: keys in order, numbers as fractions.
type content struct {
	session, category, name, data string
	at                            time.Time // zero: the client did not say
}

// precision of PostgreSQL's timestamps.
const precision = time.Microsecond

// contentOf reads an event as it was sent.
func contentOf(original string) (content, error) {
	var e struct {
		Session   string          `json:"session_id"`
		Category  string          `json:"category"`
		Name      string          `json:"name"`
		Data      json.RawMessage `json:"data"`
		Timestamp *time.Time      `json:"timestamp"`
	}
	if err := json.Unmarshal([]byte(original), &e); err != nil {
		return content{}, fmt.Errorf("read event: %w", err)
	}
	c := content{session: e.Session, category: e.Category, name: e.Name}
	if e.Timestamp != nil {
		c.at = e.Timestamp.UTC().Truncate(precision)
	}
	var err error
	c.data, err = canonical(string(e.Data))
	return c, err
}

// contentOfRow reads a row.
func contentOfRow(e Event) (content, error) {
	data, err := canonical(e.Data)
	return content{session: e.Session, category: e.Category, name: e.Name, data: data, at: e.OccurredAt.UTC().Truncate(precision)}, err
}

// same compares what was sent with what is stored; when the client did not say when, the server did.
func (c content) same(stored content) bool {
	if c.at.IsZero() {
		stored.at = c.at
	}
	return c == stored
}

// canonical rewrites JSON so that equal values are equal texts; "" stays "".
func canonical(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return "", fmt.Errorf("read JSON: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return "", errors.New("read JSON: something follows the value")
	}
	var out bytes.Buffer
	err := write(&out, value)
	return out.String(), err
}

func write(out *bytes.Buffer, value any) error {
	switch v := value.(type) {
	case json.Number:
		number, ok := new(big.Rat).SetString(v.String())
		if !ok {
			return fmt.Errorf("read number %s", v)
		}
		out.WriteString(number.RatString())
	case string:
		out.WriteString(strconv.Quote(v))
	case []any:
		out.WriteByte('[')
		for _, element := range v {
			if err := write(out, element); err != nil {
				return err
			}
			out.WriteByte(',')
		}
		out.WriteByte(']')
	case map[string]any:
		out.WriteByte('{')
		for _, name := range slices.Sorted(maps.Keys(v)) {
			out.WriteString(strconv.Quote(name) + ":")
			if err := write(out, v[name]); err != nil {
				return err
			}
			out.WriteByte(',')
		}
		out.WriteByte('}')
	default:
		fmt.Fprint(out, v) // true, false, null
	}
	return nil
}
