package event

import "strconv"

// Keys and groups of the event streams in Redis. The number in braces is a hash tag: it spreads the partitions over
// the slots of a Redis Cluster.
const (
	// PartitionsKey holds the number of partitions, written once by the first start.
	PartitionsKey = "theeye:events:partitions"
	// PersistenceGroup is the consumer group that stores events.
	PersistenceGroup = "persistence"
	// DefaultPartitions is the number of partitions of a first start: enough for a small Redis Cluster to spread,
	// few enough for one XREADGROUP.
	DefaultPartitions = 4
	// FieldBatch is the stream entry's field with an encoded Batch. An incompatible encoding gets another field name.
	FieldBatch = "v1"
	// FieldTraces is the stream entry's field with the W3C traceparents of the sampled requests in it, space-separated.
	FieldTraces = "traceparent"
)

// StreamKey names the stream of a partition.
func StreamKey(partition int) string { return "theeye:events:{" + strconv.Itoa(partition) + "}" }

// StoreKey names what is remembered of the store beside the stream of a partition, on the same slot: which database it
// is, and how far the stream was in it.
func StoreKey(partition int) string { return "theeye:store:{" + strconv.Itoa(partition) + "}" }
