-- A replica of the release before goes on beside this: it names the columns it writes. What it replays, discards or is asked for
-- has nothing here. Adding the columns writes no row; it waits for reads that run, and those that come wait for it.

-- What was tried with a Failure, the earliest first: [{"at", "outcome", "code", "detail", "pointers"}], the last ten. Of
-- what was tried before there is the last one alone, in the columns beside it.
ALTER TABLE persistence.failures ADD COLUMN attempts jsonb;

-- SHA-256 of who asked for it: each may have some dry runs; NULL in rows from before.
ALTER TABLE persistence.replays ADD COLUMN asker bytea;
