package event

import (
	"fmt"
	"mime"
	"net/url"
	"strconv"
	"strings"
	"unicode"

	"github.com/theeye-dev/theeye/api/event/jsonb"
)

// keep takes an attribute that is no field of an event, as it was written.
func (c *cloudEvent) keep(key, value jsonb.Value, strict bool) *Refusal {
	if !strict || len(c.Attributes) <= MaxAttributeBytes { // beyond it the event is refused, and no copy needed
		separator := byte(',')
		if c.Attributes == nil {
			separator = '{'
		}
		c.Attributes = append(append(c.Attributes, separator), key.Raw()...)
		c.Attributes = append(append(c.Attributes, ':'), value.Raw()...)
	}
	switch {
	case key.Is("id"):
		c.id = value.Text()
	case key.Is("source"):
		c.source = value.Text()
	}
	if !strict {
		return nil
	}
	return checkAttribute(key.Text(), value)
}

// checkAttribute holds an attribute against the type system of CloudEvents, and those that the specification defines
// against their own rules.
func checkAttribute(name string, value jsonb.Value) *Refusal {
	if !isAttributeName(name) {
		return invalidCloudEvent(name, "is no name of an attribute: those have only lower-case letters and digits")
	}
	fault := ""
	switch name {
	case "id", "source", "subject", "dataschema", "datacontenttype":
		if value.Kind() != jsonb.String {
			return typeRefusal(name, jsonb.String, value)
		}
		fault = coreFault(name, value.Text())
	}
	if fault == "" {
		fault = typeFault(value)
	}
	if fault == "" {
		return nil
	}
	return invalidCloudEvent(name, fault)
}

func isAttributeName(name string) bool {
	for i := range len(name) {
		if c := name[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}

// coreFault is what is wrong with an attribute of the specification, or empty.
func coreFault(name, text string) string {
	switch {
	case text == "":
		return "is empty"
	case name == "source" && !isURI(text, false):
		return "is no URI reference (RFC 3986)"
	case name == "dataschema" && !isURI(text, true):
		return "is no absolute URI (RFC 3986)"
	case name == "datacontenttype":
		if _, _, err := mime.ParseMediaType(text); err != nil {
			return "is no media type (RFC 2046)"
		}
	}
	return ""
}

// isURI tells whether text is a URI, or a reference to one. Of characters that have to be escaped only white space is
// refused: others are no reason to lose an event, and some SDKs send them.
func isURI(text string, absolute bool) bool {
	u, err := url.Parse(text)
	return err == nil && (!absolute || u.IsAbs()) && !strings.ContainsFunc(text, unicode.IsSpace)
}

// typeFault is what keeps a value from being an attribute's, or empty.
func typeFault(value jsonb.Value) string {
	switch value.Kind() {
	case jsonb.Bool:
	case jsonb.Number:
		if _, err := strconv.ParseInt(string(value.Raw()), 10, 32); err != nil {
			return "must be a whole number of 32 bits, or a string"
		}
	case jsonb.String:
		if at := strings.IndexFunc(value.Text(), forbidden); at >= 0 {
			return fmt.Sprintf("has a character that attributes may not have, at byte %d", at)
		}
	default:
		return fmt.Sprintf("must be a string, a whole number or a boolean, not %s; what has parts belongs in data", value.Kind())
	}
	return ""
}

// forbidden are control characters and noncharacters: specification, Type System, String.
func forbidden(r rune) bool {
	return unicode.IsControl(r) || 0xFDD0 <= r && r <= 0xFDEF || r&0xFFFE == 0xFFFE
}
