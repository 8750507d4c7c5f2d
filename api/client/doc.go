// Package client sends events to TheEye, and reads them.
//
// A Client posts events and answers with a verdict on each; a Sender beneath which it works collects events in the
// background and posts them in batches. Both try again what may not have arrived, and may do so without harm: every
// event has its id and its timestamp before the first try, so that each try has the same content, and TheEye stores the
// same id with the same content once.
//
// What decides about an event is an answer of TheEye's own: accepted, or rejected with a reason. Anything else is an
// obstacle on the way: a broken connection, an overload, a proxy's page, a key that is not valid, a suspended
// application. A Sender keeps its events over all of these, within the bounds of its queue; a Post returns where
// somebody has to act, and tells what is wrong.
//
// A Reader reads what is stored, page by page or as an export, what was not, and what becomes of events while it does, with
// the same patience. Its filters are the parameters that api/openapi.yaml documents.
//
// The package needs the standard library and github.com/google/uuid, starts goroutines only for a Sender, and writes no
// log. It never puts a key into an error.
package client
