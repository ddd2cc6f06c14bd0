-- One row a listed document, judged; where several documents of a store are one, a row a store.
-- A document with an unreadable updated_at still says whether its store is online.
WITH parsed AS (
  SELECT
    source_id,
    $store_id AS store_id,
    CASE LOWER(online) WHEN 'true' THEN TRUE WHEN 'false' THEN FALSE END AS is_online,
    CASE WHEN updated_at <= COALESCE(latest_update, updated_at) THEN updated_at END AS updated_at,
    CASE
      WHEN updated_at > latest_update THEN 'future'
      WHEN updated_at IS NULL AND updated_at_text IS NOT NULL THEN 'invalid'
    END AS wrong_time,
    several
  FROM raw_online_index
  CROSS JOIN window_settings
),
copies AS (
  SELECT store_id, MAX(updated_at) AS newest
  FROM parsed
  WHERE store_id IS NOT NULL
  GROUP BY store_id
  HAVING COUNT(*) > 1
),
counting AS (
  -- of each store with several documents: those that say whether it is online
  SELECT p.*
  FROM parsed p
  JOIN copies c ON c.store_id = p.store_id
  WHERE p.several = 'any_online' OR (p.several = 'newest' AND COALESCE(p.updated_at = c.newest, c.newest IS NULL))
),
decided AS (
  SELECT
    store_id,
    MIN(source_id) AS source_id,
    -- any: offline only if every one says so. newest: what documents of one moment agree on
    CASE
      WHEN MAX(several) = 'any_online' AND COUNT(CASE WHEN is_online THEN 1 END) > 0 THEN TRUE
      WHEN COUNT(is_online) < COUNT(*) THEN NULL
      WHEN COUNT(CASE WHEN is_online THEN 1 END) = 0 THEN FALSE
      WHEN COUNT(CASE WHEN is_online THEN 1 END) = COUNT(*) THEN TRUE
    END AS is_online,
    MAX(updated_at) AS updated_at,
    MAX(several) = 'newest' AND COUNT(DISTINCT is_online) > 1 AS is_copy,
    MAX(wrong_time) AS wrong_time
  FROM counting
  GROUP BY store_id
),
documents AS (
  SELECT
    p.store_id, p.source_id, p.is_online, p.updated_at,
    c.store_id IS NOT NULL AS is_copy,
    p.wrong_time
  FROM parsed p
  LEFT JOIN copies c ON c.store_id = p.store_id
  WHERE c.store_id IS NULL OR p.several = 'problem'
  UNION ALL
  SELECT store_id, source_id, is_online, updated_at, is_copy, wrong_time FROM decided
)
SELECT
  store_id,
  NULLIF(source_id, store_id) AS source_id,
  is_online,
  updated_at,
  CASE
    WHEN store_id IS NULL THEN 'not a store id'
    WHEN is_copy THEN 'duplicate store_id'
    WHEN is_online IS NULL THEN 'no usable online flag'
    WHEN wrong_time = 'future' THEN 'updated_at in the future'
    WHEN wrong_time = 'invalid' THEN 'invalid updated_at'
  END AS problem
FROM documents
