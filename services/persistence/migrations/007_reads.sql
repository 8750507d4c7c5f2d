-- A replica of the release before goes on beside this: it names the columns it writes, and what it stores lacks only
-- what is new here. Indexes on tables that may be large are no part of migrations: indexes.go makes them, while others
-- write.

-- When the event's row was written; NULL in rows from before.
ALTER TABLE persistence.events ADD COLUMN stored_at timestamptz;
ALTER TABLE persistence.events ALTER COLUMN stored_at SET DEFAULT now();

-- Events of one type by time, of all partitions that come; those that are there get it from indexes.go.
CREATE INDEX events_type ON ONLY persistence.events (application, category, name, occurred_at, sequence);

-- Which event was sent again, and its type, for whoever asks what became of it; NULL in rows from before, and when it
-- was erased.
ALTER TABLE persistence.duplicates ADD COLUMN id text, ADD COLUMN category text, ADD COLUMN name text;

-- Of which session and type a refused event says that it is: '' where it says none. NULL in rows from before.
ALTER TABLE persistence.failures ADD COLUMN session_id text, ADD COLUMN category text, ADD COLUMN name text;

-- The types whose events are counted by type, so many of an application at most (counters_types.go).
CREATE TABLE persistence.types (
    application uuid NOT NULL,
    category    text NOT NULL,
    name        text NOT NULL,
    PRIMARY KEY (application, category, name)
);

-- usage by type; what has none that is counted has ''. Of what was stored before this nothing is here.
CREATE TABLE persistence.type_usage (
    application uuid        NOT NULL,
    hour        timestamptz NOT NULL,
    outcome     text        NOT NULL,
    category    text        NOT NULL,
    name        text        NOT NULL,
    writer      text        NOT NULL,
    events      bigint      NOT NULL,
    PRIMARY KEY (application, hour, outcome, category, name, writer)
) WITH (fillfactor = 80);

-- One row for each session that was ever erased, kept for as long as old entries may come again: always. Nothing in it
-- tells the session's id to who does not know it already.
CREATE TABLE persistence.session_erasures (
    session      bytea       PRIMARY KEY, -- SHA-256 of the salt and the session's id
    session_id   text,                    -- while there is something to do, else NULL
    cut_off      uuid        NOT NULL,    -- this and the rest as in erasures
    erased_to    uuid,
    requested_at timestamptz NOT NULL,
    finished_at  timestamptz,
    erased       bigint      NOT NULL DEFAULT 0
);
CREATE INDEX session_erasures_pending ON persistence.session_erasures (requested_at) WHERE finished_at IS NULL;

-- Makes the hashes of one installation of no use in another: 244 random bits.
CREATE TABLE persistence.session_salt (salt bytea NOT NULL);
INSERT INTO persistence.session_salt SELECT uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid());
