// Package stream moves batches through Redis Streams without losing or inventing any.
//
// A Producer appends what waits together as one entry and answers only after Redis has it on disk. A Consumer hands
// entries to a handler and acknowledges them only after the handler has committed them. Both repeat themselves when an
// answer was lost; the sequence that every event carries lets the store recognise a repetition.
package stream
