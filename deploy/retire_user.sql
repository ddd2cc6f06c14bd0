-- Ends a role's login that nobody uses any more, after `rotate_user.sql` and the restarts. It refuses while somebody is connected with it. By who made the
-- role, as rotate_user.sql; `turn` is the login that goes: empty, and the next time _b.
--
--   psql "$URL" --set ON_ERROR_STOP=1 --set role=dagster_br --set turn= --file deploy/retire_user.sql

BEGIN;

SELECT set_config('storeavail.login', :'role' || :'turn', true);
DO $$
DECLARE
    login text := current_setting('storeavail.login');
    connections int := count(*) FROM pg_stat_activity WHERE usename = login;
BEGIN
    IF connections > 0 THEN
        RAISE EXCEPTION '% still has % connections: restart what uses it with the other login', login, connections;
    END IF;
END
$$;
SELECT format('ALTER ROLE %I NOLOGIN PASSWORD NULL', :'role' || :'turn') \gexec

COMMIT;
