-- A replica of the release before goes on beside this: it names the columns it writes. What ingest only counted it stores
-- as one Failure without an original, and counts as one event.

-- How many refused events a Failure stands for, whose originals were left out; NULL: it is one, with its original.
-- Adding it writes no row; it waits for reads that run, and those that come wait for it.
ALTER TABLE persistence.failures ADD COLUMN events bigint;

-- Which counted items were added to such a Failure: one bit for each, by the number that its replica of ingest gave it.
-- Kept for as long as a stream could deliver it once more, as duplicates are.
CREATE TABLE persistence.counted (
    hour    timestamptz NOT NULL, -- in which the items were received
    replica bigint      NOT NULL,
    block   bigint      NOT NULL, -- of 4,096 numbers
    bits    bytea       NOT NULL, -- the lowest number is the lowest bit of the first byte
    PRIMARY KEY (hour, replica, block)
) WITH (fillfactor = 50); -- updated in place: no other index, and room in the page
