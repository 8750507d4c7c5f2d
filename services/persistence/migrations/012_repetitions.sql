-- A replica of the release before goes on beside this: it names the columns it writes. What it notes as sent again has no session
-- here: its id is not erased with its session, and goes with the row, after a week.

-- Of which session an event is that was sent again; NULL where its id is, too. Adding it writes no row; it waits for reads that
-- run, and those that come wait for it.
ALTER TABLE persistence.duplicates ADD COLUMN session_id text;
