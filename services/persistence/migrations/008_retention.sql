-- A replica of the release before goes on beside this: it knows no retention, and what this one has dropped it makes anew
-- when an event comes late.

-- How long each application's events are kept, as the application log said last: it stays when the log has forgotten an
-- application that is gone.
CREATE TABLE persistence.retentions (
    application uuid     PRIMARY KEY,
    revision    bigint   NOT NULL, -- of the record that said so
    kept        interval           -- NULL: for ever
);

-- The days whose partition is detached (its table is expired_YYYYMMDD) and has rows whose ids and sessions are still
-- there; all up to this place is done.
CREATE TABLE persistence.expired_days (
    day         date        PRIMARY KEY,
    application uuid        NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    occurred_at timestamptz NOT NULL DEFAULT '-infinity',
    sequence    uuid        NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000'
);
