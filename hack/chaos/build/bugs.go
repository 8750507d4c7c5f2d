package build

const (
	consumer   = "services/internal/stream/consumer.go"
	recovery   = "services/internal/stream/recover.go"
	producer   = "services/internal/stream/producer.go"
	partitions = "services/internal/stream/partitions.go"
	write      = "services/persistence/write.go"
	pool       = "services/internal/postgres/postgres.go"
	durability = "services/internal/postgres/durability.go"
	fewSeeds   = 5  // of 20 seconds
	moreSeeds  = 10 // where two faults have to meet
)

// Bugs are the mistakes that are planted: each was made in some system, and each loses events or keeps them twice.
func Bugs() []Bug {
	return []Bug{
		{
			Name: "ack-before-commit", Why: "entries are acknowledged before they are stored",
			Faults: "kill-persistence,kill-at-before-commit,kill-postgres,postgres-read-only", Seeds: fewSeeds,
			Edits: []Edit{{
				consumer, "	if err := c.Handle(work, entries); err != nil {\n",
				"	if err := c.ack(work, entries); err != nil {\n		return err\n	}\n	if err := c.Handle(work, entries); err != nil {\n",
			}},
		},
		{
			Name: "maxlen", Why: "streams are trimmed by their length, read or not",
			Faults: "kill-postgres,lock-held,freeze-persistence", Seeds: fewSeeds,
			Edits: []Edit{{producer, "NoMkStream: true, Values: values", "NoMkStream: true, MaxLen: 20, Values: values"}},
		},
		{
			Name: "received-time-in-key", Why: "an id is unique only together with the time of its receipt",
			Faults: "none", Seeds: fewSeeds,
			Edits: []Edit{
				{write, "    SELECT application, id, fingerprint, sequence, occurred_at FROM i\n", "    SELECT application, id || received_at, fingerprint, sequence, occurred_at FROM i\n"},
				{write, "events[i-1].id == r.id {", "events[i-1].id == r.id && events[i-1].receivedAt.Equal(r.receivedAt) {"},
				{write, "applications[i], ids[i] = r.application, r.id\n	}\n	rows, err := w.tx.Query(ctx, `\n		SELECT i.n", "applications[i], ids[i] = r.application, r.id+r.receivedAt.UTC().Format(\"2006-01-02 15:04:05.999999-07\")\n	}\n	rows, err := w.tx.Query(ctx, `\n		SELECT i.n"},
			},
		},
		{
			Name: "consumer-deleted", Why: "a consumer that stops is deleted, with what it has in hand",
			Faults: "rolling-restart,kill-postgres,postgres-read-only,lock-held", Seeds: moreSeeds,
			Edits: []Edit{{
				consumer, "	for ctx.Err() == nil {\n		keys, err := Partitions(",
				"	defer func() {\n		for _, key := range c.keys {\n			c.Client.XGroupDelConsumer(context.WithoutCancel(ctx), key, c.Group, c.Name)\n		}\n	}()\n" +
					"	for ctx.Err() == nil {\n		keys, err := Partitions(",
			}},
		},
		{
			Name: "answer-before-append", Why: "202 is answered before Redis has the entry",
			Faults: "kill-ingest,kill-redis,freeze-redis,redis-out-of-memory", Seeds: fewSeeds,
			Edits: []Edit{
				{producer, "w.trace, w.since = payload, traceparent,", "w.trace, w.since = append([]byte(nil), payload...), traceparent,"},
				{producer, "	case p.queue <- w:\n", "	case p.queue <- w:\n		return nil\n"},
			},
		},
		{
			Name: "error-ignored", Why: "the error of an append is not looked at",
			Faults: "kill-redis,redis-out-of-memory,cut-connections", Seeds: fewSeeds,
			Edits: []Edit{{producer, "	return key, wrap(\"append entry\", err)\n", "	return key, nil\n"}},
		},
		{
			Name: "dead-letter-by-count", Why: "what was delivered four times is put aside, whoever is to blame",
			Faults: "kill-postgres,postgres-read-only,out-of-connections,missing-partition", Seeds: fewSeeds,
			Edits: []Edit{{recovery, "		l.Metrics.redeliver.Add(ctx, int64(len(entries)))\n", deadLetter}},
		},
		{
			Name: "no-dedupe-in-batch", Why: "an entry that was appended twice is stored twice when both are in one batch",
			Faults: "lost-replies,resets-of-replies,half-replies,cut-connections,freeze-persistence", Seeds: moreSeeds,
			Edits: []Edit{{write, "events[i-1].id == r.id {", "events[i-1].id == r.id && w == nil {"}},
		},
		{
			Name: "asynchronous-commit", Why: "commits don't wait for the disk, and nobody looks",
			Faults: "kill-postgres", Seeds: fewSeeds,
			Edits: []Edit{
				{pool, `params["synchronous_commit"] = "on"`, `params["synchronous_commit"] = "off"`},
				{durability, `, {"synchronous_commit", commit},`, `,`},
			},
		},
		{
			Name: "group-at-end", Why: "the consumer group begins at the end of the stream, and whoever comes first does not make it",
			Faults: "none", Seeds: fewSeeds,
			Edits: []Edit{
				{partitions, `XGroupCreateMkStream(ctx, key, group, "0")`, `XGroupCreateMkStream(ctx, key, group, "$")`},
				{producer, "NoMkStream: true, ", ""},
				{producer, "		if err := createGroups(ctx, p.client, event.PersistenceGroup, []string{key}); err != nil {\n			return key, err\n		}\n", ""},
			},
		},
		{
			Name: "everysec", Why: "Redis writes its log once a second, and the services are told that this will do",
			Faults: "redis-power-loss", Seeds: fewSeeds, RedisSettings: map[string]string{"appendfsync": "everysec"},
		},
	}
}

// deadLetter puts aside what was delivered too often.
const deadLetter = `		kept := entries[:0]
		for _, e := range entries {
			p, err := l.Client.XPendingExt(ctx, &redis.XPendingExtArgs{Stream: e.Stream, Group: l.Group, Start: e.ID, End: e.ID, Count: 1}).Result()
			if err == nil && len(p) == 1 && p[0].RetryCount > 3 {
				l.Client.RPush(ctx, "theeye:dead", e.Batch)
				l.Client.XAck(ctx, e.Stream, l.Group, e.ID)
				continue
			}
			kept = append(kept, e)
		}
		entries = kept
		l.Metrics.redeliver.Add(ctx, int64(len(entries)))
`
