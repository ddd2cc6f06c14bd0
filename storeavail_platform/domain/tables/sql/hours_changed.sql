-- A store's opening hours on a date beside those of the same weekday a week before, where they differ.
WITH read_rows AS (
  SELECT
    country,
    store_id,
    business_date,
    kind,
    opens_minute,
    closes_minute,
    is_closed,
    MAX(window_start) AS last_read
  FROM $recent_store_hours
  WHERE problem IS NULL AND store_id IS NOT NULL AND business_date IS NOT NULL
  GROUP BY country, store_id, business_date, kind, opens_minute, closes_minute, is_closed
),
readings AS (
  SELECT country, store_id, local_date, local_minute, window_start
  FROM $recent_expected_schedules
),
whole_dates AS (
  -- of a date that is not over, or has many lost windows, hours may not have been read
  SELECT country, store_id, local_date
  FROM readings
  GROUP BY country, store_id, local_date
  HAVING COUNT(*) >= 90
),
in_force AS (
  -- as they were read last: weekly rows come with each window that they touch, special ones with all
  SELECT r.country, r.store_id, r.business_date, r.kind, r.opens_minute, r.closes_minute, r.is_closed, r.last_read
  FROM read_rows r
  JOIN readings w ON w.country = r.country AND w.store_id = r.store_id AND w.local_date = r.business_date
  WHERE r.kind = 'special'
    OR (
      w.local_minute + 15 > r.opens_minute
      AND (r.closes_minute <= r.opens_minute OR w.local_minute < r.closes_minute)
    )
  GROUP BY r.country, r.store_id, r.business_date, r.kind, r.opens_minute, r.closes_minute, r.is_closed, r.last_read
  HAVING MAX(w.window_start) <= r.last_read
),
ruling AS (
  -- special hours replace the weekly ones of their date
  SELECT country, store_id, business_date, MIN(kind) AS kind
  FROM in_force
  GROUP BY country, store_id, business_date
),
sums AS (
  SELECT
    f.country,
    f.store_id,
    f.business_date,
    f.kind,
    MIN(f.opens_minute) AS opens_minute,
    MAX(CASE WHEN f.closes_minute <= f.opens_minute THEN f.closes_minute + 1440 ELSE f.closes_minute END) AS closes_minute,
    CAST(
      SUM(
        CASE WHEN f.closes_minute <= f.opens_minute THEN f.closes_minute + 1440 ELSE f.closes_minute END - f.opens_minute
      ) AS BIGINT
    ) AS open_minutes
  FROM in_force f
  JOIN ruling k
    ON k.country = f.country AND k.store_id = f.store_id AND k.business_date = f.business_date AND k.kind = f.kind
  GROUP BY f.country, f.store_id, f.business_date, f.kind
),
dates AS (
  SELECT
    d.country,
    d.store_id,
    d.local_date,
    s.kind,
    s.opens_minute,
    s.closes_minute,
    COALESCE(s.open_minutes, 0) AS open_minutes
  FROM whole_dates d
  LEFT JOIN sums s ON s.country = d.country AND s.store_id = d.store_id AND s.business_date = d.local_date
)
SELECT
  n.country,
  n.store_id,
  n.local_date AS business_date,
  CASE
    WHEN n.open_minutes = 0 THEN 'closed'
    WHEN b.open_minutes = 0 THEN 'open'
    WHEN n.opens_minute > b.opens_minute THEN 'opens later'
    WHEN n.opens_minute < b.opens_minute THEN 'opens earlier'
    WHEN n.closes_minute > b.closes_minute THEN 'closes later'
    WHEN n.closes_minute < b.closes_minute THEN 'closes earlier'
    ELSE 'other breaks'
  END AS change,
  n.kind,
  n.opens_minute,
  n.closes_minute,
  n.open_minutes,
  b.kind AS kind_before,
  b.opens_minute AS opens_minute_before,
  b.closes_minute AS closes_minute_before,
  b.open_minutes AS open_minutes_before
FROM dates n
JOIN dates b
  ON b.country = n.country AND b.store_id = n.store_id AND CAST(b.local_date + INTERVAL '7' DAY AS DATE) = n.local_date
WHERE COALESCE(n.opens_minute, -1) <> COALESCE(b.opens_minute, -1)
  OR COALESCE(n.closes_minute, -1) <> COALESCE(b.closes_minute, -1)
  OR n.open_minutes <> b.open_minutes
