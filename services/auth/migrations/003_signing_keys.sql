-- The keys that sign access tokens. A key is its issuer's: where --issuer-url changes, the tokens of the old one stay good
-- until they end, and replicas that have different ones meanwhile don't disturb each other.
CREATE TABLE auth.signing_keys (
    id         text COLLATE "C" PRIMARY KEY,
    issuer     text NOT NULL,
    public_key bytea NOT NULL CHECK (octet_length(public_key) = 32),
    sealed     bytea, -- the private key, encrypted; NULL: taken over from the application log, only its tokens are checked
    sign_from  timestamptz NOT NULL,
    sign_until timestamptz NOT NULL,
    revision   bigint NOT NULL -- the highest is that of all keys together, as the application log has them
);

---- create above / drop below ----

DROP TABLE auth.signing_keys;
