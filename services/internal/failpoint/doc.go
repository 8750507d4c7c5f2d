// Package failpoint names the places at which a process hurts most to lose. In what is released they are nothing at all:
// Hit compiles to no instruction, and Now is time.Now. In a build with the tag failpoint, which hack/chaos makes for
// itself, a file may order the process to die or to stand still when it comes to a place next, and set its clock wrong.
package failpoint

// Point is a place.
type Point string

// The places, in the order in which an event passes them, and then those beside its path.
const (
	Appended     Point = "appended"      // Redis has the entry, nobody was answered
	Read         Point = "read"          // entries were delivered, nothing was done with them
	BeforeCommit Point = "before-commit" // everything was sent to PostgreSQL but the commit
	Committed    Point = "committed"     // PostgreSQL has the batch, Redis knows nothing of it
	DeadLetter   Point = "dead-letter"   // Failures were written, not committed
	Partition    Point = "partition"     // a partition was made, not committed
	Trim         Point = "trim"          // one stream was trimmed, the others not
	Publish      Point = "publish"       // auth has committed a change, the application log does not have it
	Published    Point = "published"     // the application log has it, nobody was answered
)
