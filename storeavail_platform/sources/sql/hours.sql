-- The opening hours that can matter in the window. local_windows gives, for every zone and for '' (the country's), the two
-- business dates that can touch the window, and how many minutes after their midnight it starts. Only these rows leave PostgreSQL:
-- special hours of the two dates, weekly hours of their weekdays that touch the window, and every invalid row.
-- Each table is read a fixed number of times whatever it holds, without any index: joins by equality only, no OR EXISTS.
WITH zone_windows AS MATERIALIZED (
  SELECT LOWER(timezone) AS timezone, business_date, weekday, window_minute
  FROM local_windows
  WHERE LOWER(timezone) IN (SELECT LOWER(COALESCE(BTRIM(timezone, E' \t\r\n\f\v'), '')) FROM stores)
),
weekday_span AS MATERIALIZED (
  SELECT weekday, MIN(window_minute) AS first_minute, MAX(window_minute) AS last_minute FROM zone_windows GROUP BY weekday
),
weekly AS NOT MATERIALIZED (
  SELECT
    store_id, weekday,
    CEIL(DATE_PART('epoch', opens_at) / 60)::int AS opens_minute,
    CEIL(DATE_PART('epoch', closes_at) / 60)::int AS closes_minute,
    store_id IS NULL
      OR weekday IS NULL
      OR weekday NOT BETWEEN 1 AND 7
      -- a numeric 1.5
      OR weekday <> TRUNC(weekday)
      OR opens_at IS NULL
      OR closes_at IS NULL AS is_invalid
  FROM store_weekly_hours
),
-- the rows that touch the window in some zone, found before any join with stores: OFFSET keeps the planner from merging the two
near AS (
  SELECT
    h.store_id, h.weekday, h.opens_minute, h.closes_minute,
    h.closes_minute + CASE WHEN h.closes_minute <= h.opens_minute THEN 1440 ELSE 0 END AS ends_minute
  FROM weekly h
  JOIN weekday_span d ON d.weekday = h.weekday
  WHERE NOT h.is_invalid
    AND h.weekday = ANY (ARRAY(SELECT weekday FROM weekday_span))
    AND h.opens_minute - d.last_minute < 15
    AND h.closes_minute + CASE WHEN h.closes_minute <= h.opens_minute THEN 1440 ELSE 0 END - d.first_minute > 0
  OFFSET 0
),
invalid AS MATERIALIZED (
  SELECT store_id, weekday, opens_minute, closes_minute FROM weekly WHERE is_invalid
),
special AS MATERIALIZED (
  SELECT
    store_id, business_date,
    CEIL(DATE_PART('epoch', opens_at) / 60)::int AS opens_minute,
    CEIL(DATE_PART('epoch', closes_at) / 60)::int AS closes_minute,
    opens_at IS NULL AND closes_at IS NULL AS is_closed,
    store_id IS NULL
      OR business_date IS NULL
      OR (opens_at IS NULL) <> (closes_at IS NULL)
      OR BOOL_OR(opens_at IS NULL AND closes_at IS NULL) OVER same_date
        AND NOT BOOL_AND(opens_at IS NULL AND closes_at IS NULL) OVER same_date AS is_invalid
  FROM store_special_hours
  WINDOW same_date AS (PARTITION BY store_id, business_date)
)
SELECT h.store_id, 'weekly' AS kind, h.weekday, w.business_date, h.opens_minute, h.closes_minute, FALSE AS is_closed
FROM near h
JOIN stores s ON s.store_id = h.store_id
JOIN zone_windows w ON w.timezone = LOWER(COALESCE(BTRIM(s.timezone, E' \t\r\n\f\v'), '')) AND w.weekday = h.weekday
WHERE h.opens_minute - w.window_minute < 15 AND h.ends_minute - w.window_minute > 0
UNION ALL
SELECT h.store_id, 'weekly', h.weekday, p.business_date, h.opens_minute, h.closes_minute, FALSE
FROM invalid h
LEFT JOIN (
  SELECT s.store_id, w.weekday, w.business_date
  FROM stores s
  JOIN zone_windows w ON w.timezone = LOWER(COALESCE(BTRIM(s.timezone, E' \t\r\n\f\v'), ''))
  WHERE s.store_id IN (SELECT store_id FROM invalid)
) p ON p.store_id = h.store_id AND p.weekday = h.weekday
UNION ALL
SELECT h.store_id, 'special', NULL, h.business_date, h.opens_minute, h.closes_minute, h.is_closed
FROM special h
LEFT JOIN (
  SELECT DISTINCT s.store_id, w.business_date
  FROM stores s
  JOIN zone_windows w ON w.timezone = LOWER(COALESCE(BTRIM(s.timezone, E' \t\r\n\f\v'), ''))
  WHERE s.store_id IN (SELECT store_id FROM special)
) p ON p.store_id = h.store_id AND p.business_date = h.business_date
WHERE h.is_invalid OR p.store_id IS NOT NULL
