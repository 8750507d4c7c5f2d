-- One role for each service, which owns a schema of its own and has no other right; whoever is not one of them cannot even
-- connect. For psql, in TheEye's database, as its owner who may create roles, or as a superuser; again at any time.
SELECT format('CREATE ROLE %I LOGIN', name) FROM unnest(ARRAY['theeye_auth', 'theeye_persistence']) AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec

-- Who is no superuser must be able to act as a role to give it a schema.
GRANT theeye_auth, theeye_persistence TO CURRENT_USER;
CREATE SCHEMA IF NOT EXISTS auth AUTHORIZATION theeye_auth;
CREATE SCHEMA IF NOT EXISTS persistence AUTHORIZATION theeye_persistence;
REVOKE theeye_auth, theeye_persistence FROM CURRENT_USER;

REVOKE ALL ON DATABASE :"DBNAME" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"DBNAME" TO theeye_auth, theeye_persistence;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
