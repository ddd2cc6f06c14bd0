-- The outages that have a missing window on the date: runs of missing windows, with closed and unknown ones skipped.
-- A suspect window ends none, whatever it says of the store: its missing minutes count, and that is all.
WITH known_windows AS (
  -- a window that nobody computed is not there: it ends nothing. The number counts windows that are evidence, up to this one.
  SELECT
    w.window_start,
    s.window_start IS NOT NULL AS is_suspect,
    CAST(
      SUM(CASE WHEN s.window_start IS NULL THEN 1 ELSE 0 END) OVER (ORDER BY w.window_start NULLS LAST) AS BIGINT
    ) AS number
  FROM recent_windows w
  LEFT JOIN suspect_windows s ON s.window_start = w.window_start
  WHERE w.window_start < (SELECT looked_until FROM roll_up)
),
earlier_bounds AS (
  SELECT f.store_id, MAX(f.window_start) AS from_window
  FROM earlier_availability f
  ANTI JOIN suspect_windows s ON s.window_start = f.window_start
  WHERE f.status IN ('available', 'rogue') OR f.reason = 'inactive'
  GROUP BY f.store_id
),
bounds AS (
  SELECT b.store_id, COALESCE(b.from_window, e.from_window) AS from_window, b.to_window
  FROM outage_bounds b
  LEFT JOIN earlier_bounds e ON e.store_id = b.store_id
),
looked_at AS (
  SELECT window_start, store_id, status, reason, missing_minutes, local_date FROM recent_availability
  UNION ALL
  SELECT window_start, store_id, status, reason, missing_minutes, local_date FROM earlier_availability
),
steps AS (
  SELECT
    f.store_id,
    f.window_start,
    f.local_date,
    f.status,
    f.missing_minutes,
    w.number,
    -- online or inactive, or without a row in a window between: the outage before is over
    CASE
      WHEN NOT w.is_suspect AND (f.status IN ('available', 'rogue') OR f.reason = 'inactive') THEN 1
      WHEN w.number - CASE WHEN w.is_suspect THEN 0 ELSE 1 END
        > LAG(w.number) OVER (PARTITION BY f.store_id ORDER BY f.window_start NULLS LAST) THEN 1
      ELSE 0
    END AS is_break
  FROM looked_at f
  JOIN bounds b ON b.store_id = f.store_id
  JOIN known_windows w ON w.window_start = f.window_start
  WHERE f.local_date >= (SELECT before_date FROM roll_up)
    AND f.window_start BETWEEN COALESCE(b.from_window, f.window_start) AND COALESCE(b.to_window, f.window_start)
),
runs AS (
  SELECT *, CAST(SUM(is_break) OVER (PARTITION BY store_id ORDER BY window_start NULLS LAST) AS BIGINT) AS run
  FROM steps
),
outages AS (
  SELECT
    s.store_id,
    MIN(CASE WHEN s.status = 'missing' AND s.local_date >= r.first_date THEN s.window_start END) AS started_at,
    MAX(s.number) AS last_number,
    CAST(SUM(CASE WHEN s.local_date = r.local_date THEN s.missing_minutes ELSE 0 END) AS INT) AS missed_minutes,
    CAST(
      SUM(CASE WHEN s.local_date BETWEEN r.first_date AND r.local_date THEN s.missing_minutes ELSE 0 END) AS INT
    ) AS missed_minutes_total,
    MAX(CASE WHEN s.status = 'missing' AND s.local_date < r.first_date THEN 1 ELSE 0 END) = 1 AS is_started_before
  FROM runs s
  CROSS JOIN roll_up r
  GROUP BY s.store_id, s.run
  HAVING MAX(CASE WHEN s.status = 'missing' AND s.local_date = r.local_date THEN 1 ELSE 0 END) = 1
),
causes AS (
  -- an incident is named up to three windows after its stores went off
  SELECT incident_id, city, brand, earliest_start, ended_at
  FROM incidents
  WHERE kind = 'missing' AND scope <> 'unexplained'
  UNION
  SELECT incident_id, city, brand, earliest_start, ended_at
  FROM earlier_incidents
  WHERE kind = 'missing' AND scope <> 'unexplained'
),
caused AS (
  -- of several the one that was named first
  SELECT o.store_id, o.started_at, MIN(c.incident_id) AS incident_id
  FROM outages o
  LEFT JOIN date_names n ON n.store_id = o.store_id
  JOIN causes c ON COALESCE(c.city, n.city, '') = COALESCE(n.city, '')
    AND COALESCE(c.brand, n.brand, '') = COALESCE(n.brand, '')
    AND o.started_at >= c.earliest_start
    AND o.started_at < COALESCE(c.ended_at, (SELECT looked_until FROM roll_up))
  GROUP BY o.store_id, o.started_at
)
SELECT
  o.store_id,
  n.name,
  n.city,
  n.brand,
  o.started_at,
  w.window_start AS ended_at,
  o.missed_minutes,
  o.missed_minutes_total,
  o.is_started_before,
  c.incident_id AS cause
FROM outages o
LEFT JOIN known_windows w ON w.number = o.last_number + 1 AND NOT w.is_suspect
LEFT JOIN date_names n ON n.store_id = o.store_id
LEFT JOIN caused c ON c.store_id = o.store_id AND c.started_at = o.started_at
