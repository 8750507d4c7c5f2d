-- A replica of the release before goes on beside this: it names the columns it writes. A CloudEvent that it takes from
-- a stream becomes a Failure of store.undecodable, with its original bytes.

-- What a CloudEvent says of itself beside what became the event's fields; NULL for events that are none. Adding it
-- writes no row; it waits for reads that run, and those that come wait for it.
ALTER TABLE persistence.events ADD COLUMN attributes jsonb;

-- How the original of a Failure is written, for whoever posts it again.
ALTER TABLE persistence.failures ADD COLUMN format text NOT NULL DEFAULT 'native';
