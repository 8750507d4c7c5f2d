// Package schema compiles the JSON Schemas that applications declare for their types of event, and checks events
// against them. Whoever may write an Application resource writes schemas, and whoever has its key writes events: both
// are taken for hostile, and neither may cost others their memory or their time.
//
// The dialect is JSON Schema 2020-12, with these decisions where the standard leaves one:
//
//   - A schema is one document. What would have to be loaded from elsewhere is refused, and so is a $id below the root,
//     which would make one document several. Nothing here reads a file or opens a connection.
//   - format is checked, not only noted: whoever declares "format": "date-time" expects it of a collector. Known are
//     date, time, date-time, duration, period, email, hostname, ipv4, ipv6, uri, uri-reference, uri-template, iri,
//     iri-reference, uuid, json-pointer, relative-json-pointer, regex and semver. Any other name means nothing, as the
//     standard asks.
//   - contentEncoding, contentMediaType and contentSchema are notes only.
//   - Patterns are RE2's: without look-around and back-references, and so without catastrophic backtracking.
//
// Two things are bounded. A schema is bounded when it is compiled: bytes, depth, subschemas, patterns, and how many
// evaluations one value of an event can set off, for ten allOf that repeat their successor are a thousand evaluations.
// A check is bounded before it begins: the schema's plan tells from the shape of an event what checking it will cost, in
// time and in memory.
package schema
