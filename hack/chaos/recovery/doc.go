// Package recovery does to an installation what a backup is for, while clients post, and recovers it as
// charts/theeye/recovery.md says: auth's database lost, Redis lost, PostgreSQL restored from an older backup.
package recovery
