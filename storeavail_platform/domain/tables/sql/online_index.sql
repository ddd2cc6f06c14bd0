-- One row a listed document, judged. A document with an unreadable updated_at still says whether its store is online.
WITH parsed AS (
  SELECT
    source_id, updated_at, updated_at_text,
    $store_id AS store_id,
    CASE LOWER(online) WHEN 'true' THEN TRUE WHEN 'false' THEN FALSE END AS is_online
  FROM raw_online_index
),
copies AS (
  SELECT store_id FROM parsed WHERE store_id IS NOT NULL GROUP BY store_id HAVING COUNT(*) > 1
)
SELECT
  p.store_id,
  NULLIF(p.source_id, p.store_id) AS source_id,
  p.is_online,
  p.updated_at,
  CASE
    WHEN p.store_id IS NULL THEN 'not a store id'
    WHEN c.store_id IS NOT NULL THEN 'duplicate store_id'
    WHEN p.is_online IS NULL THEN 'no usable online flag'
    WHEN p.updated_at IS NULL AND p.updated_at_text IS NOT NULL THEN 'invalid updated_at'
  END AS problem
FROM parsed p
LEFT JOIN copies c ON c.store_id = p.store_id
