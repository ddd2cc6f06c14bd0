-- Changes the password of what uses a PostgreSQL role without stopping it: a role ROLE has two logins, ROLE itself and ROLE_b, of which one is in use. This
-- gives the other one a password. What uses the database is then restarted with it, one after another, and `retire_user.sql` ends the first
-- (docs/operations.md, "Passwords"). By who made ROLE: Dagster's owner for a country's user, the server's administrator for the others:
--
--   password=$(openssl rand -hex 24); echo "$password"
--   psql "$URL" --set ON_ERROR_STOP=1 --set role=dagster_br --set turn=_b --set password="$password" --file deploy/rotate_user.sql
--
-- `turn` is the login that comes: _b, and the next time empty. Whichever logs in is ROLE from its first statement on: what it makes belongs to ROLE.

BEGIN;

SELECT format('CREATE ROLE %I LOGIN IN ROLE %I', :'role' || '_b', :'role')
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'role' || '_b') \gexec
SELECT format('ALTER ROLE %I SET role = %L', :'role' || '_b', :'role') \gexec
SELECT format('ALTER ROLE %I CONNECTION LIMIT %s', :'role' || '_b', rolconnlimit) FROM pg_roles WHERE rolname = :'role' \gexec
-- a login's settings are its own: those of single values are given to the other one too
SELECT format('ALTER ROLE %I SET %I = %L', :'role' || '_b', split_part(setting, '=', 1), substr(setting, strpos(setting, '=') + 1))
FROM pg_roles, unnest(rolconfig) AS setting WHERE rolname = :'role' AND setting !~ '[,"]' \gexec
SELECT format('ALTER ROLE %I LOGIN PASSWORD %L', :'role' || :'turn', :'password') \gexec

COMMIT;
