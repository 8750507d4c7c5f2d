package schema

import (
	"net/url"
	"strings"
)

// reference is a $ref or a $dynamicRef. In a schema that is one document they are the same: an anchor has one place.
type reference struct {
	from    *node
	object  map[string]any
	keyword string
	pointer string
}

// identify takes the $id of the root, by which references may name the schema.
func (d *document) identify(n *node, id, pointer string) {
	base, err := url.Parse(id)
	switch {
	case n.pointer != "":
		d.fail(pointer, "only the whole schema may have a $id; name a part with $anchor")
	case err != nil || base.Fragment != "":
		d.fail(pointer, "must be a URI without a fragment")
	default:
		d.base = base
	}
}

// resolve finds what a reference leads to, and writes it as a fragment.
func (d *document) resolve(r reference) {
	text, _ := r.object[r.keyword].(string)
	fragment, ok := d.fragment(text)
	if !ok {
		d.fail(r.pointer, "leads out of the schema; only references within it (#/$defs/… or #anchor) are followed")
		return
	}
	place, err := url.PathUnescape(fragment)
	target := d.anchors[place]
	if place == "" || place[0] == '/' {
		target = d.at[place]
	}
	if err != nil || target == nil {
		d.fail(r.pointer, "leads to nothing that is a schema")
		return
	}
	r.object[r.keyword] = "#" + fragment
	r.from.inPlace = append(r.from.inPlace, target)
}

// fragment returns the part of a reference after #, as it was written, when the rest of it names this schema.
func (d *document) fragment(reference string) (fragment string, ok bool) {
	rest, fragment, _ := strings.Cut(reference, "#")
	if rest == "" || d.base == nil {
		return fragment, rest == ""
	}
	resolved, err := d.base.Parse(rest)
	return fragment, err == nil && resolved.String() == d.base.String()
}

// anchor names a subschema.
func (d *document) anchor(n *node, name, pointer string) {
	if other := d.anchors[name]; other != nil && other != n {
		d.fail(pointer, "the anchor %q is used twice", name)
	}
	d.anchors[name] = n
}
