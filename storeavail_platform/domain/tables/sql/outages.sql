-- One row an outage: its dates added up, named and ended as the newest of them says.
WITH parts AS (
  SELECT
    country,
    store_id,
    started_at,
    MIN(local_date) AS first_date,
    MAX(local_date) AS last_date,
    CAST(SUM(missed_minutes) AS BIGINT) AS missed_minutes,
    MAX(CASE WHEN is_started_before THEN 1 ELSE 0 END) AS goes_on
  FROM store_outages
  GROUP BY country, store_id, started_at
),
numbered AS (
  -- a date from which the start lies too far back names a later one: it is the same outage
  SELECT
    *,
    SUM(1 - goes_on) OVER (PARTITION BY country, store_id ORDER BY started_at NULLS LAST) AS number
  FROM parts
),
whole AS (
  SELECT
    country,
    store_id,
    MIN(started_at) AS started_at,
    MAX(started_at) AS last_start,
    MIN(first_date) AS first_date,
    MAX(last_date) AS last_date,
    CAST(SUM(missed_minutes) AS BIGINT) AS missed_minutes
  FROM numbered
  GROUP BY country, store_id, number
),
causes AS (
  SELECT country, store_id, started_at, MIN(cause) AS cause FROM store_outages GROUP BY country, store_id, started_at
)
SELECT
  w.country,
  w.store_id,
  o.name,
  o.city,
  o.brand,
  w.started_at,
  o.ended_at,
  o.ended_at IS NULL AS is_ongoing,
  w.first_date,
  w.last_date,
  w.missed_minutes,
  c.cause
FROM whole w
JOIN store_outages o
  ON o.country = w.country
    AND o.store_id = w.store_id
    AND o.started_at = w.last_start
    AND o.local_date = w.last_date
LEFT JOIN causes c ON c.country = w.country AND c.store_id = w.store_id AND c.started_at = w.started_at
