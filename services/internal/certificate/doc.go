// Package certificate is what servers show and what clients trust over TLS: key pairs and authorities in PEM files, which
// are read again when they change. Kubernetes replaces a mounted Secret under a running process.
package certificate
