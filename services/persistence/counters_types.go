package persistence

import (
	"time"

	"github.com/jackc/pgx/v5"
)

// typeKey names one row of type_usage.
type typeKey struct {
	usageKey
	category, name string // both "" where they could not be read
}

// maxCountedTypes bounds the rows that an application can make in an hour: events of types beyond it, in the order in
// which they first come, are counted together, under no type. It is eight times as many as may be declared, for an
// application may send what it does not declare.
const maxCountedTypes = 1000

// typesLock is the advisory lock of who takes from counters by type, until its transaction ends: two at once would both find the
// last one. It is taken last of all.
const typesLock = 0x7468656579650009

// queueTypes adds to the counters by type of a writer. A type that is not known yet is noted first. Two writers that
// note types at once may pass the bound, by what is in their batches.
func (t *tally) queueTypes(batch *pgx.Batch, writer string) {
	if more := t.typeColumns(func(events int64) bool { return events > 0 }); more != nil {
		batch.Queue(noteTypes, more[0], more[3], more[4], maxCountedTypes)
		batch.Queue(addToTypes, append(more, writer)...)
	}
	if less := t.typeColumns(func(events int64) bool { return events < 0 }); less != nil {
		batch.Queue("SELECT pg_advisory_xact_lock($1)", int64(typesLock))
		batch.Queue(takeFromTypes, append(less, writer)...)
	}
}

// typeColumns are the counters that are to change so: application, hour, outcome, category, name and by how much; nil: none is.
func (t *tally) typeColumns(so func(events int64) bool) []any {
	var (
		applications                [][16]byte
		hours                       []time.Time
		outcomes, categories, names []string
		counts                      []int64
	)
	for k, events := range t.types {
		if so(events) {
			applications, hours, outcomes = append(applications, k.application), append(hours, k.hour), append(outcomes, string(k.outcome))
			categories, names, counts = append(categories, k.category), append(names, k.name), append(counts, events)
		}
	}
	if counts == nil {
		return nil
	}
	return []any{applications, hours, outcomes, categories, names, counts}
}

const noteTypes = `
	WITH new AS (
	    SELECT DISTINCT i.* FROM unnest($1::uuid[], $2::text[], $3::text[]) AS i (application, category, name)
	    WHERE i.category <> '' AND NOT EXISTS (
	        SELECT FROM persistence.types t WHERE t.application = i.application AND t.category = i.category AND t.name = i.name)
	), known AS (
	    SELECT application, count(*) AS types FROM persistence.types
	    WHERE application IN (SELECT application FROM new) GROUP BY application
	)
	INSERT INTO persistence.types (application, category, name)
	SELECT application, category, name FROM (
	    SELECT new.*, row_number() OVER (PARTITION BY application ORDER BY category, name) + coalesce(types, 0) AS place
	    FROM new LEFT JOIN known USING (application)
	) AS placed WHERE place <= $4
	ORDER BY application, category, name
	ON CONFLICT DO NOTHING`

const addToTypes = `
	INSERT INTO persistence.type_usage AS u (application, hour, outcome, category, name, writer, events)
	SELECT application, i.hour, i.outcome, coalesce(t.category, ''), coalesce(t.name, ''), $7, sum(i.events)
	FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::bigint[])
	    AS i (application, hour, outcome, category, name, events)
	LEFT JOIN persistence.types t USING (application, category, name)
	GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
	ON CONFLICT (application, hour, outcome, category, name, writer) DO UPDATE SET events = u.events + excluded.events`

// takeFromTypes takes back what was counted: as its type for as far as that has any in the hour, and else as no type. Which it
// was is noted nowhere, and what is no type today may be one tomorrow, when another one leaves its place.
const takeFromTypes = `
	INSERT INTO persistence.type_usage AS u (application, hour, outcome, category, name, writer, events)
	SELECT i.application, i.hour, i.outcome, of.category, of.name, $7, sum(of.events)
	FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::bigint[])
	    AS i (application, hour, outcome, category, name, events)
	CROSS JOIN LATERAL (
	    SELECT least(greatest(coalesce(sum(events), 0), 0), -i.events) AS events FROM persistence.type_usage t
	    WHERE t.application = i.application AND t.hour = i.hour AND t.outcome = i.outcome AND t.category = i.category AND t.name = i.name
	) AS counted
	CROSS JOIN LATERAL (VALUES (i.category, i.name, -counted.events), ('', '', i.events + counted.events)) AS of (category, name, events)
	GROUP BY 1, 2, 3, 4, 5 HAVING sum(of.events) <> 0 ORDER BY 1, 2, 3, 4, 5
	ON CONFLICT (application, hour, outcome, category, name, writer) DO UPDATE SET events = u.events + excluded.events`
