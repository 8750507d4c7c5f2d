// Package console shows people what persistence knows: pages that the server renders, at the root of its public port.
//
// The console is a client of the API like any other. It calls persistence's own handler within the process, with the
// token of whoever is logged in, so that what a page shows is what that token may read, and there is no second way to
// the data. What it adds is a session, which keeps the token from the browser's scripts and from whoever reads the
// database, and pages, which work without JavaScript and better with it.
package console
