-- A replica of the release before goes on beside this: it knows nothing of marks, and trims what is acknowledged.

-- How far each stream is in this very database: every entry below the mark is committed. It goes wherever the database
-- goes, into backups and to standbys, and so tells what a copy of it may lack.
CREATE TABLE persistence.marks (
    stream   text        PRIMARY KEY,
    mark     text        NOT NULL, -- an id of Redis, milliseconds-number
    moved_at timestamptz NOT NULL
) WITH (fillfactor = 50); -- updated in place every two seconds
