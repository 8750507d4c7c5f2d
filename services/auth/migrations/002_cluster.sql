-- Both have defaults that PostgreSQL keeps in the catalogue: no row is rewritten, and the statements of the release
-- before, which know neither, go on working while it is replaced.
ALTER TABLE auth.applications
    ADD COLUMN cluster         text COLLATE "C" NOT NULL DEFAULT '', -- '': kept by hand
    ADD COLUMN deletion_policy text NOT NULL DEFAULT '';             -- '': Retain

-- A cluster's applications in the order of their uids, which its operator asks for once a minute. Those kept by hand
-- are never asked for by cluster.
CREATE INDEX applications_cluster ON auth.applications (cluster, uid) WHERE deleted_at IS NULL AND cluster <> '';

---- create above / drop below ----

DROP INDEX auth.applications_cluster;
ALTER TABLE auth.applications DROP COLUMN cluster, DROP COLUMN deletion_policy;
