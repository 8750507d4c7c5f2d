-- A replica of the release before goes on beside this: it names the columns it writes. What it has noted as sent again, or notes, has
-- no session here, and is erased with the event that has its id. What it forgets by its age keeps its session's id for that week.

-- Of which session an event is that was sent again. Adding it writes no row; it waits for reads that run, and those that come wait
-- for it.
ALTER TABLE persistence.duplicates ADD COLUMN session_id text;

-- A session of each application in its order, in place of events_session, in which whoever reads his own events passes over those
-- of others. It is made for each partition by indexes.go, which then drops the one before.
CREATE INDEX events_session_application ON ONLY persistence.events (session_id, application, occurred_at, sequence);
