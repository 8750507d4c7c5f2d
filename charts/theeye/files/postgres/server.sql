-- What is done at every start of the built-in server, so that a start that was cut off is made good by the next one.
\set ON_ERROR_STOP on
SELECT 'CREATE DATABASE theeye' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'theeye') \gexec
REVOKE ALL ON DATABASE postgres, template1 FROM PUBLIC;
\connect theeye
SET client_min_messages = warning; -- that a schema is there already is no news
\ir roles.sql

-- The passwords come from files, and must not get into the server's log by way of a statement that fails.
SET log_min_error_statement = panic;
SET log_min_duration_statement = -1;
SET log_statement = none;
\set admin `cat "$PASSWORDS/admin"`
\set auth `cat "$PASSWORDS/auth"`
\set persistence `cat "$PASSWORDS/persistence"`
ALTER ROLE postgres PASSWORD :'admin';
ALTER ROLE theeye_auth PASSWORD :'auth';
ALTER ROLE theeye_persistence PASSWORD :'persistence';
