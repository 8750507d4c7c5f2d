// Package jsonb scans JSON text and says whether PostgreSQL's jsonb would store it and give the same value back.
//
// RFC 8259 leaves room that jsonb does not have: it refuses U+0000, lone surrogates, invalid UTF-8 and numbers beyond
// numeric, and of repeated keys it silently keeps the last. A Scanner therefore tells two kinds of trouble apart: a
// SyntaxError, after which nothing more can be read, and a Fault, after which scanning goes on, so that one faulty
// event in an array does not take its neighbours with it.
//
// A scan yields a Doc: a flat list of nodes over the bytes as they came. Nothing is copied and nothing is decoded
// before someone asks.
package jsonb
