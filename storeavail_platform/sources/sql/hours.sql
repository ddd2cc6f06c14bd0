-- The opening hours that can matter in the window. local_windows gives, for every zone and for '' (the country's), the two business
-- dates that can touch the window, and how many minutes after their midnight it starts. Only these rows leave PostgreSQL:
-- special hours of the two dates, weekly hours of their weekdays that touch the window, and every invalid row.
WITH placed AS (
  SELECT s.store_id, w.business_date, w.weekday, w.window_minute
  FROM stores s
  JOIN local_windows w ON w.timezone = COALESCE(BTRIM(s.timezone), '')
),
weekly AS (
  SELECT
    store_id, weekday,
    CEIL(EXTRACT(EPOCH FROM opens_at) / 60)::int AS opens_minute,
    CEIL(EXTRACT(EPOCH FROM closes_at) / 60)::int AS closes_minute,
    store_id IS NULL OR weekday IS NULL OR weekday NOT BETWEEN 1 AND 7 OR opens_at IS NULL OR closes_at IS NULL AS is_invalid
  FROM store_weekly_hours
),
special AS (
  SELECT
    store_id, business_date,
    CEIL(EXTRACT(EPOCH FROM opens_at) / 60)::int AS opens_minute,
    CEIL(EXTRACT(EPOCH FROM closes_at) / 60)::int AS closes_minute,
    opens_at IS NULL AND closes_at IS NULL AS is_closed,
    store_id IS NULL
      OR business_date IS NULL
      OR (opens_at IS NULL) <> (closes_at IS NULL)
      OR BOOL_OR(opens_at IS NULL AND closes_at IS NULL) OVER same_date
        AND NOT BOOL_AND(opens_at IS NULL AND closes_at IS NULL) OVER same_date AS is_invalid
  FROM store_special_hours
  WINDOW same_date AS (PARTITION BY store_id, business_date)
)
SELECT h.store_id, 'weekly' AS kind, h.weekday, p.business_date, h.opens_minute, h.closes_minute, FALSE AS is_closed
FROM weekly h
LEFT JOIN placed p ON p.store_id = h.store_id AND p.weekday = h.weekday
WHERE h.is_invalid
  OR h.opens_minute - p.window_minute < 15
  AND h.closes_minute + CASE WHEN h.closes_minute <= h.opens_minute THEN 1440 ELSE 0 END - p.window_minute > 0
UNION ALL
SELECT h.store_id, 'special', NULL, h.business_date, h.opens_minute, h.closes_minute, h.is_closed
FROM special h
WHERE h.is_invalid OR EXISTS (SELECT 1 FROM placed p WHERE p.store_id = h.store_id AND p.business_date = h.business_date)
