-- A replica of the release before goes on beside this: it names the columns it writes, and carries out no replay. What it
-- erases that was replayed it takes out of the counters twice.

-- What became of a Failure when it was last replayed, or that it was discarded; NULL: neither was tried. And the SHA-256
-- of the JSON Schema that refused it; NULL where none did, and in rows from before. Adding them writes no row; it waits for
-- reads that run, and those that come wait for it.
ALTER TABLE persistence.failures ADD COLUMN attempted_at timestamptz, ADD COLUMN attempt_outcome text,
    ADD COLUMN attempt_code text, ADD COLUMN attempt_detail text, ADD COLUMN attempt_pointer text,
    ADD COLUMN schema_digest bytea;

-- Schemas by their SHA-256, as the application log had them: kept for as long as a policy or a Failure names them.
CREATE TABLE persistence.schemas (
    digest  bytea       PRIMARY KEY,
    schema  bytea       NOT NULL, -- JSON as it was written, good or faulty
    seen_at timestamptz NOT NULL  -- when a policy had it last, to the day
);

-- Replays of many Failures: what was asked for, and how far it is. Kept for a while after they end.
CREATE TABLE persistence.replays (
    id             uuid        PRIMARY KEY,
    application    uuid,        -- whose Failures; NULL: everybody's
    code           text        NOT NULL, -- '' for any, as stage
    stage          text        NOT NULL,
    since          timestamptz, -- NULL: from the first
    until          timestamptz NOT NULL, -- what is received from then on is not replayed
    dry_run        boolean     NOT NULL,
    state          text        NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'finished', 'cancelled')),
    total          bigint      NOT NULL, -- when it was asked for
    done           bigint      NOT NULL DEFAULT 0,
    outcomes       jsonb       NOT NULL DEFAULT '{}', -- how many ended how
    codes          jsonb       NOT NULL DEFAULT '{}', -- why those that stay open do
    after_at       timestamptz NOT NULL, -- up to this place all is done
    after_sequence uuid        NOT NULL,
    stepped_at     timestamptz, -- when it last got further
    requested_at   timestamptz NOT NULL,
    finished_at    timestamptz
);
CREATE INDEX replays_running ON persistence.replays (requested_at) WHERE state = 'running';
CREATE INDEX replays_stepped ON persistence.replays (stepped_at);
CREATE INDEX replays_requested ON persistence.replays (requested_at, id);
CREATE INDEX replays_application ON persistence.replays (application, requested_at, id);
