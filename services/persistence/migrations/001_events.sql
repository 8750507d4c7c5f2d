-- Events by the day they occurred. They have no key of their own: uniqueness is the ledger's, across all days.
CREATE TABLE persistence.events (
    application uuid        NOT NULL,
    id          text        NOT NULL,
    session_id  text        NOT NULL,
    category    text        NOT NULL,
    name        text        NOT NULL,
    data        jsonb,
    occurred_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    sequence    uuid        NOT NULL,
    credential  text        NOT NULL,
    trace_id    uuid
) PARTITION BY RANGE (occurred_at);

-- One session in its order; one application from the newest. Every further index costs as much as both gain.
CREATE INDEX events_session ON persistence.events (session_id, occurred_at, sequence);
CREATE INDEX events_application ON persistence.events (application, occurred_at, sequence);

-- The idempotency ledger: a client's id means one event for as long as the event is kept.
CREATE TABLE persistence.ledger (
    application uuid        NOT NULL,
    id          text        NOT NULL,
    fingerprint uuid        NOT NULL,
    sequence    uuid        NOT NULL,
    occurred_at timestamptz NOT NULL,
    PRIMARY KEY (application, id)
);

-- What was sent again with the same content. Kept for as long as a stream could deliver it once more, so that a
-- redelivery does not count it twice.
CREATE TABLE persistence.duplicates (
    sequence    uuid        PRIMARY KEY,
    application uuid        NOT NULL,
    received_at timestamptz NOT NULL
);

CREATE TABLE persistence.sessions (
    session_id  text        NOT NULL,
    application uuid        NOT NULL,
    first_at    timestamptz NOT NULL,
    last_at     timestamptz NOT NULL,
    events      bigint      NOT NULL,
    PRIMARY KEY (session_id, application)
) WITH (fillfactor = 80); -- updated in place: no other index, and room in the page

CREATE TABLE persistence.failures (
    sequence    uuid        PRIMARY KEY,
    application uuid,                    -- NULL when even that could not be read
    credential  text        NOT NULL,
    event_id    text        NOT NULL,    -- '' when unknown
    code        text        NOT NULL,
    detail      text        NOT NULL,
    pointers    text[]      NOT NULL,
    stage       text        NOT NULL CHECK (stage IN ('ingest', 'persistence')),
    state       text        NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'replayed', 'discarded')),
    received_at timestamptz NOT NULL,
    original    bytea       NOT NULL,
    truncated   boolean     NOT NULL,    -- original is only the beginning
    trace_id    uuid
);
CREATE INDEX failures_application ON persistence.failures (application, received_at, sequence);
CREATE INDEX failures_received ON persistence.failures (received_at, sequence);

-- Counters by hour. Every writer has rows of its own: two that store at once must not wait for each other.
CREATE TABLE persistence.usage (
    application uuid        NOT NULL,
    hour        timestamptz NOT NULL,
    outcome     text        NOT NULL,
    writer      text        NOT NULL,
    events      bigint      NOT NULL,
    PRIMARY KEY (application, hour, outcome, writer)
) WITH (fillfactor = 80);

CREATE TABLE persistence.credential_usage (
    application  uuid        NOT NULL,
    credential   text        NOT NULL,
    writer       text        NOT NULL,
    last_used_at timestamptz NOT NULL,
    PRIMARY KEY (application, credential, writer)
) WITH (fillfactor = 80);
