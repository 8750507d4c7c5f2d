-- A replica of the release before goes on beside this: it names the columns it writes, and knows no erasures (what that
-- means is in hack/decisions/0006-erasure.md). The locks are taken in the order in which a batch takes them.

-- What an application has in duplicates, for its erasure. The table has a week of repetitions: its writers wait for
-- seconds at most, and try again.
CREATE INDEX duplicates_application ON persistence.duplicates (application, sequence);

-- When the newest of its events that were stored was received; NULL in rows that no replica of this release has written.
ALTER TABLE persistence.credential_usage ADD COLUMN last_event_at timestamptz;

-- One row for each application that was ever erased, kept for as long as old entries may come again: always.
CREATE TABLE persistence.erasures (
    application  uuid        PRIMARY KEY,
    cut_off      uuid        NOT NULL, -- up to this sequence all is erased, and dropped when it comes later
    erased_to    uuid,                 -- up to this sequence nothing is left; NULL: not known of any
    requested_at timestamptz NOT NULL, -- the oldest request that is not finished, else the last
    finished_at  timestamptz,          -- NULL while there is something to do
    erased       bigint      NOT NULL DEFAULT 0 -- rows, since requested_at
);
CREATE INDEX erasures_pending ON persistence.erasures (requested_at) WHERE finished_at IS NULL;
