-- A store's local date: minutes are added up, shares divided last.
WITH totals AS (
  SELECT
    f.store_id,
    CAST(SUM(f.expected_minutes) AS INT) AS expected_minutes,
    CAST(SUM(f.available_minutes) AS INT) AS available_minutes,
    CAST(SUM(f.missing_minutes) AS INT) AS missing_minutes,
    CAST(SUM(f.rogue_minutes) AS INT) AS rogue_minutes,
    CAST(SUM(f.unknown_minutes) AS INT) AS unknown_minutes,
    MIN(CASE WHEN f.is_online THEN f.observed_at END) AS first_online_at,
    MAX(CASE WHEN f.is_online THEN f.observed_at END) AS last_online_at,
    CAST(COUNT(*) AS INT) AS window_count
  FROM day_availability f
  JOIN roll_up r ON r.local_date = f.local_date
  GROUP BY f.store_id
),
longest AS (
  SELECT store_id, MAX(missed_minutes) AS minutes FROM store_outages GROUP BY store_id
)
SELECT
  t.store_id,
  n.name,
  n.city,
  n.brand,
  t.expected_minutes,
  t.available_minutes,
  t.missing_minutes,
  t.rogue_minutes,
  t.unknown_minutes,
  $availability AS availability,
  $coverage AS coverage,
  COALESCE(l.minutes, 0) AS longest_outage_minutes,
  t.first_online_at,
  t.last_online_at,
  t.window_count,
  r.is_provisional
FROM totals t
CROSS JOIN roll_up r
LEFT JOIN date_names n ON n.store_id = t.store_id
LEFT JOIN longest l ON l.store_id = t.store_id
