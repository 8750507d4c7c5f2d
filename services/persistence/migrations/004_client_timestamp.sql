-- A replica of the release before goes on beside this: it names the columns it writes, and what it stores lacks only the
-- client's own time where that was corrected.

-- The timestamp that the client's wrong clock gave; NULL where occurred_at is what the client sent, or it sent none.
-- Adding it writes no row; it waits for reads that run, and those that come wait for it.
ALTER TABLE persistence.events ADD COLUMN client_timestamp timestamptz;
