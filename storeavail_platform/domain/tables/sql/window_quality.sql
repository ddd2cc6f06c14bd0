-- How far the window can be trusted: counts of problems, and whether the reading as a whole looks wrong.
WITH statuses AS (
  SELECT
    CAST(SUM(CASE WHEN status = 'available' THEN 1 ELSE 0 END) AS BIGINT) AS available,
    CAST(SUM(CASE WHEN status = 'missing' THEN 1 ELSE 0 END) AS BIGINT) AS missing
  FROM store_availability
),
shares AS (
  SELECT CAST(missing AS DOUBLE) / NULLIF(CAST(available + missing AS DOUBLE), 0) AS missing_share FROM statuses
),
counted AS (
  SELECT
    (SELECT COUNT(*) FROM stores) AS stores,
    (SELECT COUNT(*) FROM stores WHERE problem IS NOT NULL) AS stores_with_problem,
    (SELECT COUNT(*) FROM store_hours WHERE problem IS NOT NULL) AS hours_with_problem,
    (SELECT COUNT(*) FROM online_index WHERE problem IS NOT NULL) AS documents_with_problem,
    (SELECT MAX(updated_at) FROM online_index) AS newest_updated_at
),
reasons AS (
  SELECT
    CASE
      WHEN b.listed > 0 AND CAST(o.listed AS DOUBLE) < (1 - s.listed_drop) * CAST(b.listed AS DOUBLE) THEN 'listed stores dropped'
    END AS dropped,
    CASE WHEN h.missing_share - b.missing_share > s.missing_rise THEN 'missing share rose' END AS rose,
    CASE WHEN c.newest_updated_at < s.stale_before THEN 'index is stale' END AS stale,
    b.window_start AS baseline_window
  FROM observation o
  CROSS JOIN window_settings s
  CROSS JOIN shares h
  CROSS JOIN counted c
  LEFT JOIN baseline b ON TRUE
  WHERE o.is_observed
)
SELECT
  o.observed_at,
  o.stores_read_at,
  o.listed,
  o.online,
  c.newest_updated_at,
  c.stores,
  c.stores_with_problem,
  c.hours_with_problem,
  c.documents_with_problem,
  h.missing_share,
  COALESCE(r.dropped IS NOT NULL OR r.rose IS NOT NULL OR r.stale IS NOT NULL, FALSE) AS suspect,
  NULLIF(
    COALESCE(r.dropped, '')
    || CASE WHEN r.dropped IS NOT NULL AND r.rose IS NOT NULL THEN '; ' ELSE '' END
    || COALESCE(r.rose, '')
    || CASE WHEN (r.dropped IS NOT NULL OR r.rose IS NOT NULL) AND r.stale IS NOT NULL THEN '; ' ELSE '' END
    || COALESCE(r.stale, ''),
    ''
  ) AS suspect_reason,
  r.baseline_window
FROM observation o
CROSS JOIN counted c
CROSS JOIN shares h
LEFT JOIN reasons r ON TRUE
