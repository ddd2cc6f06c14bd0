-- One row a row of PostgreSQL, judged: the first problem that applies is named, and no row is dropped.
WITH parsed AS (
  SELECT
    source_id, name, address, city, brand, is_active, has_weekly_hours, unreadable,
    NULLIF(TRIM(BOTH ' ' FROM timezone), '') AS timezone,
    $store_id AS store_id
  FROM raw_stores
),
copies AS (
  SELECT store_id FROM parsed WHERE store_id IS NOT NULL GROUP BY store_id HAVING COUNT(*) > 1
),
zones AS (
  SELECT DISTINCT timezone FROM local_windows
)
SELECT
  p.store_id,
  NULLIF(p.source_id, p.store_id) AS source_id,
  p.name,
  p.address,
  p.city,
  p.brand,
  p.timezone,
  COALESCE(p.is_active, TRUE) AS is_active,
  COALESCE(p.has_weekly_hours, FALSE) AS has_weekly_hours,
  p.unreadable AS source,
  CASE
    WHEN p.store_id IS NULL THEN 'not a store id'
    WHEN c.store_id IS NOT NULL THEN 'duplicate store_id'
    WHEN p.unreadable IS NOT NULL THEN 'unreadable value'
    WHEN p.timezone IS NOT NULL AND z.timezone IS NULL THEN 'unknown timezone'
  END AS problem
FROM parsed p
LEFT JOIN copies c ON c.store_id = p.store_id
LEFT JOIN zones z ON z.timezone = p.timezone
