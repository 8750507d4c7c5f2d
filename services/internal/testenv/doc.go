// Package testenv gives tests the real things: Redis, PostgreSQL and TheEye's own services as processes, all of which
// a test may kill. Everything ends with its test, or with the test binary however that ends. A machine without the
// servers fails the tests, with a message that says what to install: a skipped suite proves nothing.
package testenv
