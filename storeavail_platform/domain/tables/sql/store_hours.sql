-- The opening hours that can matter in the window, judged. Good rows are there once; bad ones as often as they were read.
WITH parsed AS (
  SELECT
    $store_id AS store_id,
    source_id, kind AS source_kind, unreadable,
    -- a row of no known kind is judged like a weekly one without a weekday: it could be in force on any date
    CASE WHEN kind = 'special' THEN 'special' ELSE 'weekly' END AS kind,
    CASE WHEN kind = 'weekly' THEN weekday END AS weekday,
    business_date, opens_minute, closes_minute,
    COALESCE(is_closed, FALSE) OR (kind = 'special' AND opens_minute IS NULL AND closes_minute IS NULL) AS is_closed
  FROM raw_store_hours
),
contradictions AS (
  SELECT store_id, business_date
  FROM parsed
  WHERE kind = 'special'
  GROUP BY store_id, business_date
  HAVING MAX(CASE WHEN is_closed THEN 1 ELSE 0 END) <> MIN(CASE WHEN is_closed THEN 1 ELSE 0 END)
),
judged AS (
  SELECT
    p.store_id, p.business_date, p.kind, p.opens_minute, p.closes_minute, p.is_closed,
    p.source_id, p.source_kind, p.weekday, p.unreadable,
    CASE
      WHEN p.store_id IS NULL THEN 'not a store id'
      WHEN p.kind = 'weekly' AND (p.weekday IS NULL OR p.weekday NOT BETWEEN 1 AND 7) THEN 'invalid weekday'
      WHEN p.kind = 'special' AND p.business_date IS NULL THEN 'invalid hours'
      WHEN p.unreadable IS NOT NULL THEN 'invalid hours'
      WHEN (p.opens_minute IS NULL) <> (p.closes_minute IS NULL) THEN 'invalid hours'
      -- open or closed, not both and not neither
      WHEN (p.opens_minute IS NULL) <> p.is_closed OR (p.kind = 'weekly' AND p.is_closed) THEN 'invalid hours'
      WHEN p.opens_minute NOT BETWEEN 0 AND 1440 OR p.closes_minute NOT BETWEEN 0 AND 1440 THEN 'invalid hours'
      WHEN c.store_id IS NOT NULL THEN 'invalid hours'
    END AS problem
  FROM parsed p
  LEFT JOIN contradictions c ON p.kind = 'special' AND c.store_id = p.store_id AND c.business_date = p.business_date
)
SELECT DISTINCT
  store_id, business_date, kind, opens_minute, closes_minute, is_closed, CAST(NULL AS STRING) AS source, problem
FROM judged
WHERE problem IS NULL
UNION ALL
SELECT
  store_id, business_date, kind, opens_minute, closes_minute, is_closed,
  'store_id ' || COALESCE(source_id, 'NULL')
    || ', kind ' || COALESCE(source_kind, 'NULL')
    || ', weekday ' || COALESCE(CAST(weekday AS STRING), 'NULL')
    || ', business_date ' || COALESCE(CAST(business_date AS STRING), 'NULL')
    || ', opens_minute ' || COALESCE(CAST(opens_minute AS STRING), 'NULL')
    || ', closes_minute ' || COALESCE(CAST(closes_minute AS STRING), 'NULL')
    || COALESCE('; not read: ' || unreadable, '') AS source,
  problem
FROM judged
WHERE problem IS NOT NULL
