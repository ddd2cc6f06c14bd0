-- A country's own user of Dagster's PostgreSQL, as which its code server and runs work. By the database's owner, after `dagster instance migrate`, again
-- after each one, and for each country (README.md says what the user may). Without a password the one that is there stays; it is changed by rotate_user.sql:
--
--   password=$(openssl rand -hex 24); echo "$password"
--   psql "$OWNER_URL" --set ON_ERROR_STOP=1 --set country=br --set password="$password" --file deploy/dagster_country.sql
--
-- The owner (webservers and daemon) is bound by none of this.

BEGIN;

-- what the countries' users have in common
SELECT 'CREATE ROLE dagster_country NOLOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'dagster_country') \gexec
SELECT format('CREATE ROLE %I LOGIN IN ROLE dagster_country', 'dagster_' || :'country')
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'dagster_' || :'country') \gexec
SELECT format('ALTER ROLE %I CONNECTION LIMIT 100', 'dagster_' || :'country') \gexec
\if :{?password}
SELECT format('ALTER ROLE %I PASSWORD %L', 'dagster_' || :'country', :'password') \gexec
\endif
SELECT format('GRANT CONNECT ON DATABASE %I TO dagster_country', current_database()) \gexec

REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO dagster_country;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO dagster_country;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO dagster_country;

-- whose a run is, is said by the one who made it: the daemon or a webserver. With the table's whole name: a temporary one of this name is another's
CREATE OR REPLACE FUNCTION is_own_run(run text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM public.run_tags
        WHERE run_id = run AND key = 'dagster/partition/country' AND value = upper(substr(current_user, length('dagster_') + 1))
    )
$$;

-- runs: their state, no new ones
GRANT UPDATE ON runs TO dagster_country;
ALTER TABLE runs ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS countries_read ON runs;
CREATE POLICY countries_read ON runs FOR SELECT TO dagster_country USING (true);
DROP POLICY IF EXISTS countries_change ON runs;
CREATE POLICY countries_change ON runs FOR UPDATE TO dagster_country USING (is_own_run(run_id));

-- tags: further ones of its runs, never whose they are
GRANT INSERT, UPDATE ON run_tags TO dagster_country;
ALTER TABLE run_tags ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS countries_read ON run_tags;
CREATE POLICY countries_read ON run_tags FOR SELECT TO dagster_country USING (true);
DROP POLICY IF EXISTS countries_add ON run_tags;
CREATE POLICY countries_add ON run_tags FOR INSERT TO dagster_country WITH CHECK (is_own_run(run_id) AND key <> 'dagster/partition/country');
DROP POLICY IF EXISTS countries_change ON run_tags;
CREATE POLICY countries_change ON run_tags FOR UPDATE TO dagster_country
    USING (is_own_run(run_id) AND key <> 'dagster/partition/country');

-- events of its runs; upkeep removes those that are old
GRANT INSERT, DELETE ON event_logs TO dagster_country;
ALTER TABLE event_logs ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS countries_read ON event_logs;
CREATE POLICY countries_read ON event_logs FOR SELECT TO dagster_country USING (true);
DROP POLICY IF EXISTS countries_add ON event_logs;
CREATE POLICY countries_add ON event_logs FOR INSERT TO dagster_country WITH CHECK (is_own_run(run_id));
DROP POLICY IF EXISTS countries_remove ON event_logs;
CREATE POLICY countries_remove ON event_logs FOR DELETE TO dagster_country USING (is_own_run(run_id));

-- results of its runs' checks
GRANT INSERT, UPDATE ON asset_check_executions TO dagster_country;
ALTER TABLE asset_check_executions ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS countries_read ON asset_check_executions;
CREATE POLICY countries_read ON asset_check_executions FOR SELECT TO dagster_country USING (true);
DROP POLICY IF EXISTS countries_add ON asset_check_executions;
CREATE POLICY countries_add ON asset_check_executions FOR INSERT TO dagster_country WITH CHECK (is_own_run(run_id));
DROP POLICY IF EXISTS countries_change ON asset_check_executions;
CREATE POLICY countries_change ON asset_check_executions FOR UPDATE TO dagster_country USING (is_own_run(run_id));

-- ticks of its own schedules and sensors, whose names end with its code: upkeep removes those that are old
GRANT DELETE ON job_ticks TO dagster_country;
ALTER TABLE job_ticks ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS countries_read ON job_ticks;
CREATE POLICY countries_read ON job_ticks FOR SELECT TO dagster_country USING (true);
DROP POLICY IF EXISTS countries_remove ON job_ticks;
CREATE POLICY countries_remove ON job_ticks FOR DELETE TO dagster_country
    USING (tick_body::json ->> 'instigator_name' LIKE '%\_' || substr(current_user, length('dagster_') + 1));

-- one row an asset, which the countries have in common: when it was last made, by whichever of them
GRANT INSERT, UPDATE ON asset_keys TO dagster_country;
GRANT INSERT, DELETE ON asset_event_tags TO dagster_country;

COMMIT;
