-- namespace and name are not unique: a resource that is deleted and created again has another uid, and nothing orders
-- the old one's DELETE before the new one's PUT. The uid and the client id derived from it are what identifies.
CREATE TABLE auth.applications (
    uid                uuid PRIMARY KEY,
    namespace          text NOT NULL,
    name               text NOT NULL,
    client_id          text NOT NULL UNIQUE,
    policy             json NOT NULL, -- json, not jsonb: schemas stay as they were written
    deleted_at         timestamptz,   -- a tombstone, kept: an old copy of the log must never bring the application back
    revision           bigint NOT NULL,
    published_revision bigint NOT NULL DEFAULT 0
);

CREATE INDEX applications_unpublished ON auth.applications (uid) WHERE published_revision < revision;

CREATE TABLE auth.credentials (
    application uuid NOT NULL REFERENCES auth.applications ON DELETE CASCADE,
    id          text COLLATE "C" NOT NULL,
    sha256      bytea NOT NULL CHECK (octet_length(sha256) = 32),
    not_after   timestamptz,
    PRIMARY KEY (application, id)
);

CREATE INDEX credentials_not_after ON auth.credentials (not_after) WHERE not_after IS NOT NULL;

---- create above / drop below ----

DROP TABLE auth.credentials;
DROP TABLE auth.applications;
