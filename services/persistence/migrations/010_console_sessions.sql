-- Who is logged in to the console. What is here opens nothing: id is the SHA-256 of what the browser has, and token is
-- encrypted under a key that derives from the same.
CREATE TABLE persistence.console_sessions (
    id         bytea       PRIMARY KEY,
    owner      bytea       NOT NULL, -- digest of whose it is: each has a bounded number
    token      bytea       NOT NULL, -- nonce, and what AES-256-GCM made of it
    created_at timestamptz NOT NULL,
    used_at    timestamptz NOT NULL  -- to a few minutes
);

CREATE INDEX console_sessions_owner ON persistence.console_sessions (owner, created_at);
CREATE INDEX console_sessions_used ON persistence.console_sessions (used_at);
CREATE INDEX console_sessions_created ON persistence.console_sessions (created_at);
