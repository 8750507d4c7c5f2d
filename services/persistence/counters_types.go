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

// queueTypes adds to the counters by type of a writer. A type that is not known yet is noted first. Two writers that
// note types at once may pass the bound, by what is in their batches.
func (t *tally) queueTypes(batch *pgx.Batch, writer string) {
	n := len(t.types)
	if n == 0 {
		return
	}
	applications, hours, outcomes := make([][16]byte, 0, n), make([]time.Time, 0, n), make([]string, 0, n)
	categories, names, counts := make([]string, 0, n), make([]string, 0, n), make([]int64, 0, n)
	for k, events := range t.types {
		applications, hours, outcomes = append(applications, k.application), append(hours, k.hour), append(outcomes, string(k.outcome))
		categories, names, counts = append(categories, k.category), append(names, k.name), append(counts, events)
	}
	batch.Queue(`
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
		ON CONFLICT DO NOTHING`, applications, categories, names, maxCountedTypes)
	batch.Queue(`
		INSERT INTO persistence.type_usage AS u (application, hour, outcome, category, name, writer, events)
		SELECT application, i.hour, i.outcome, coalesce(t.category, ''), coalesce(t.name, ''), $7, sum(i.events)
		FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::bigint[])
		    AS i (application, hour, outcome, category, name, events)
		LEFT JOIN persistence.types t USING (application, category, name)
		GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
		ON CONFLICT (application, hour, outcome, category, name, writer) DO UPDATE SET events = u.events + excluded.events`,
		applications, hours, outcomes, categories, names, counts, writer)
}
