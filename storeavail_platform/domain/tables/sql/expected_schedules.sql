-- When each store should be open: bit i of open_mask is minute i of the window. NULL where the store or the hours in force are invalid.
WITH one_store AS (
  SELECT store_id, problem IS NULL AS is_valid, is_active, has_weekly_hours, COALESCE(timezone, '') AS timezone
  FROM stores
  WHERE store_id IS NOT NULL AND COALESCE(problem, '') <> 'duplicate store_id'
  UNION ALL
  -- copies that disagree about the zone are in the country's
  SELECT
    store_id,
    FALSE AS is_valid,
    FALSE AS is_active,
    MAX(CASE WHEN has_weekly_hours THEN 1 ELSE 0 END) = 1 AS has_weekly_hours,
    CASE WHEN MIN(COALESCE(timezone, '')) = MAX(COALESCE(timezone, '')) THEN COALESCE(MIN(timezone), '') ELSE '' END AS timezone
  FROM stores
  WHERE problem = 'duplicate store_id'
  GROUP BY store_id
),
today AS (
  SELECT timezone, MAX(business_date) AS local_date, MIN(window_minute) AS local_minute FROM local_windows GROUP BY timezone
),
placed AS (
  SELECT
    s.store_id,
    s.is_valid,
    s.is_active,
    s.has_weekly_hours OR settings.always_open AS has_weekly_hours,
    NOT s.has_weekly_hours AND settings.always_open AS is_always_open,
    COALESCE(own.timezone, '') AS timezone,
    COALESCE(own.local_date, country.local_date) AS local_date,
    COALESCE(own.local_minute, country.local_minute) AS local_minute
  FROM one_store s
  CROSS JOIN window_settings settings
  LEFT JOIN today own ON own.timezone = s.timezone
  LEFT JOIN today country ON country.timezone = ''
),
special_dates AS (
  SELECT DISTINCT store_id, business_date FROM store_hours WHERE kind = 'special' AND business_date IS NOT NULL
),
always_open_hours AS (
  SELECT p.store_id, w.business_date, 'weekly' AS kind, 0 AS opens_minute, 1440 AS closes_minute
  FROM placed p
  JOIN local_windows w ON w.timezone = p.timezone
  WHERE p.is_always_open
),
intervals AS (
  SELECT store_id, business_date, kind, opens_minute, closes_minute
  FROM store_hours
  WHERE problem IS NULL AND NOT is_closed
  UNION ALL
  SELECT store_id, business_date, kind, opens_minute, closes_minute FROM always_open_hours
),
open_times AS (
  SELECT
    p.store_id,
    i.opens_minute - w.window_minute AS opens_at,
    i.closes_minute + CASE WHEN i.closes_minute <= i.opens_minute THEN 1440 ELSE 0 END - w.window_minute AS closes_at
  FROM placed p
  JOIN local_windows w ON w.timezone = p.timezone
  JOIN intervals i ON i.store_id = p.store_id AND i.business_date = w.business_date
  LEFT JOIN special_dates d ON d.store_id = i.store_id AND d.business_date = i.business_date
  -- special hours of a date replace all weekly hours of that business date
  WHERE i.kind = 'special' OR d.store_id IS NULL
),
masks AS (
  SELECT store_id, BIT_OR(CAST(POW(2, LEAST(closes_at, 15)) - POW(2, GREATEST(opens_at, 0)) AS INT)) AS open_mask
  FROM open_times
  WHERE opens_at < 15 AND closes_at > 0
  GROUP BY store_id
),
kinds AS (
  SELECT
    p.store_id,
    CASE WHEN d.store_id IS NOT NULL THEN 'special' WHEN p.has_weekly_hours THEN 'weekly' ELSE 'none' END AS hours_kind
  FROM placed p
  LEFT JOIN special_dates d ON d.store_id = p.store_id AND d.business_date = p.local_date
),
invalid_hours AS (
  -- a row without a usable weekday could be any day's, so that it matters on every date that weekly hours rule
  SELECT DISTINCT p.store_id
  FROM placed p
  JOIN kinds k ON k.store_id = p.store_id
  JOIN store_hours h ON h.store_id = p.store_id AND h.kind = k.hours_kind
  WHERE h.problem = 'invalid weekday' OR (h.problem = 'invalid hours' AND h.business_date = p.local_date)
)
SELECT
  p.store_id,
  CASE
    WHEN NOT p.is_valid THEN NULL
    WHEN NOT p.is_active THEN 0
    WHEN v.store_id IS NOT NULL THEN NULL
    ELSE COALESCE(m.open_mask, 0)
  END AS open_mask,
  CAST(
    CASE WHEN p.is_valid AND p.is_active AND v.store_id IS NULL THEN COALESCE(BIT_COUNT(m.open_mask), 0) ELSE 0 END AS INT
  ) AS expected_minutes,
  k.hours_kind,
  p.local_date,
  p.local_minute
FROM placed p
JOIN kinds k ON k.store_id = p.store_id
LEFT JOIN masks m ON m.store_id = p.store_id
LEFT JOIN invalid_hours v ON v.store_id = p.store_id
