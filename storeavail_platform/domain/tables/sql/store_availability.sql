-- The fact: was each store available when it should have been? The first rule that applies gives status and reason,
-- unknown at the edge of opening hours among them.
WITH listed AS (
  SELECT store_id, is_online IS NOT NULL AS is_usable, is_online
  FROM online_index
  WHERE store_id IS NOT NULL AND COALESCE(problem, '') <> 'duplicate store_id'
  UNION ALL
  SELECT DISTINCT store_id, FALSE AS is_usable, CAST(NULL AS BOOLEAN) AS is_online
  FROM online_index
  WHERE problem = 'duplicate store_id'
),
one_store AS (
  SELECT store_id, problem IS NULL AS is_valid, is_active, name, city, brand
  FROM stores
  WHERE store_id IS NOT NULL AND COALESCE(problem, '') <> 'duplicate store_id'
  UNION ALL
  SELECT
    store_id,
    FALSE AS is_valid,
    FALSE AS is_active,
    -- copies that disagree: NULL. COUNT counts values that are not NULL.
    CASE WHEN MIN(name) = MAX(name) AND COUNT(name) = COUNT(*) THEN MIN(name) END AS name,
    CASE WHEN MIN(city) = MAX(city) AND COUNT(city) = COUNT(*) THEN MIN(city) END AS city,
    CASE WHEN MIN(brand) = MAX(brand) AND COUNT(brand) = COUNT(*) THEN MIN(brand) END AS brand
  FROM stores
  WHERE problem = 'duplicate store_id'
  GROUP BY store_id
),
expected AS (
  SELECT
    e.store_id, s.is_valid, s.is_active, TRUE AS is_in_stores, s.name, s.city, s.brand,
    e.open_mask, e.expected_minutes, e.hours_kind, e.local_date, e.local_minute
  FROM expected_schedules e
  JOIN one_store s ON s.store_id = e.store_id
),
unexpected AS (
  -- online but not in PostgreSQL
  SELECT
    l.store_id, TRUE AS is_valid, TRUE AS is_active, FALSE AS is_in_stores,
    CAST(NULL AS STRING) AS name, CAST(NULL AS STRING) AS city, CAST(NULL AS STRING) AS brand,
    0 AS open_mask, 0 AS expected_minutes, 'none' AS hours_kind, w.local_date, w.local_minute
  FROM listed l
  CROSS JOIN (
    SELECT MAX(business_date) AS local_date, MIN(window_minute) AS local_minute FROM local_windows WHERE timezone = ''
  ) w
  ANTI JOIN one_store s ON s.store_id = l.store_id
  WHERE l.is_online
),
everyone AS (
  SELECT * FROM expected
  UNION ALL
  SELECT * FROM unexpected
),
seen AS (
  SELECT
    e.*,
    o.is_observed,
    o.observed_at,
    o.observed_bit,
    (e.open_mask & o.observed_bit) <> 0 AS open_at_observation,
    l.is_online,
    COALESCE(l.is_usable, TRUE) AS is_usable
  FROM everyone e
  CROSS JOIN observation o
  LEFT JOIN listed l ON l.store_id = e.store_id
),
judged AS (
  SELECT
    *,
    CASE
      WHEN NOT is_observed THEN 'unknown'
      WHEN NOT is_valid THEN 'unknown'
      WHEN NOT is_usable THEN 'unknown'
      WHEN open_mask IS NULL THEN 'unknown'
      WHEN expected_minutes > 0 AND COALESCE(is_online, FALSE) THEN 'available'
      WHEN expected_minutes > 0 AND open_at_observation THEN 'missing'
      WHEN expected_minutes > 0 THEN 'unknown'
      WHEN COALESCE(is_online, FALSE) THEN 'rogue'
      ELSE 'closed'
    END AS status
  FROM seen
),
asked AS (
  -- a second reading of some of them by an API, beside the index's word and never in its place
  SELECT j.*, c.answered AS is_answered, c.is_online AS is_confirmed_online
  FROM judged j
  LEFT JOIN raw_confirmation c ON c.store_id = j.store_id
)
SELECT
  store_id,
  status,
  CASE
    WHEN status = 'available' THEN NULL
    WHEN NOT is_observed THEN 'not_observed'
    WHEN NOT is_valid THEN 'invalid_store'
    WHEN NOT is_usable THEN 'invalid_observation'
    WHEN open_mask IS NULL THEN 'invalid_hours'
    WHEN status = 'missing' THEN CASE WHEN is_online IS NULL THEN 'absent' ELSE 'offline' END
    WHEN status = 'unknown' THEN 'edge'
    WHEN NOT is_in_stores THEN 'not_in_stores'
    WHEN NOT is_active THEN 'inactive'
    WHEN hours_kind = 'none' THEN 'no_hours'
    ELSE 'outside_hours'
  END AS reason,
  expected_minutes,
  CASE WHEN status = 'available' THEN expected_minutes ELSE 0 END AS available_minutes,
  CASE WHEN status = 'missing' THEN expected_minutes ELSE 0 END AS missing_minutes,
  CASE WHEN status = 'rogue' THEN 15 ELSE 0 END AS rogue_minutes,
  CASE WHEN status = 'unknown' THEN expected_minutes ELSE 0 END AS unknown_minutes,
  open_at_observation,
  is_online,
  CASE
    WHEN status <> 'missing' OR is_answered IS NULL THEN NULL
    WHEN NOT is_answered THEN 'not_answered'
    WHEN is_confirmed_online THEN 'contradicted'
    ELSE 'confirmed'
  END AS confirmation,
  observed_at,
  name,
  city,
  brand,
  local_date,
  local_minute
FROM asked
