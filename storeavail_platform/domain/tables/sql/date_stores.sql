-- The stores of a local date: its last window of them, the last one that has a name, the missing windows between which outages
-- lie, and minutes that checks hold the tables against.
SELECT
  f.store_id,
  MAX(f.window_start) AS last_window,
  MAX(CASE WHEN COALESCE(f.name, f.city, f.brand) IS NOT NULL THEN f.window_start END) AS named_at,
  MIN(CASE WHEN f.status = 'missing' THEN f.window_start END) AS first_missing,
  MAX(CASE WHEN f.status = 'missing' THEN f.window_start END) AS last_missing,
  CAST(SUM(f.expected_minutes) AS BIGINT) AS expected_minutes,
  CAST(SUM(f.missing_minutes) AS BIGINT) AS missing_minutes
FROM day_availability f
JOIN rolled_date q ON q.local_date = f.local_date
GROUP BY f.store_id
