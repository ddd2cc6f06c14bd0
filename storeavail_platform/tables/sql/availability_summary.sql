-- Additive minutes a city and brand; shares are divided last. NULL is a group of its own.
WITH sums AS (
  SELECT
    city,
    brand,
    SUM(CASE WHEN status = 'available' THEN 1 ELSE 0 END) AS stores_available,
    SUM(CASE WHEN status = 'missing' THEN 1 ELSE 0 END) AS stores_missing,
    SUM(CASE WHEN status = 'rogue' THEN 1 ELSE 0 END) AS stores_rogue,
    SUM(CASE WHEN status = 'unknown' THEN 1 ELSE 0 END) AS stores_unknown,
    SUM(CASE WHEN status = 'closed' THEN 1 ELSE 0 END) AS stores_closed,
    SUM(expected_minutes) AS expected_minutes,
    SUM(available_minutes) AS available_minutes,
    SUM(missing_minutes) AS missing_minutes,
    SUM(rogue_minutes) AS rogue_minutes,
    SUM(unknown_minutes) AS unknown_minutes
  FROM store_availability
  GROUP BY city, brand
)
SELECT
  city,
  brand,
  CAST(stores_available AS BIGINT) AS stores_available,
  CAST(stores_missing AS BIGINT) AS stores_missing,
  CAST(stores_rogue AS BIGINT) AS stores_rogue,
  CAST(stores_unknown AS BIGINT) AS stores_unknown,
  CAST(stores_closed AS BIGINT) AS stores_closed,
  CAST(expected_minutes AS BIGINT) AS expected_minutes,
  CAST(available_minutes AS BIGINT) AS available_minutes,
  CAST(missing_minutes AS BIGINT) AS missing_minutes,
  CAST(rogue_minutes AS BIGINT) AS rogue_minutes,
  CAST(unknown_minutes AS BIGINT) AS unknown_minutes,
  CAST(available_minutes AS DOUBLE) / NULLIF(CAST(expected_minutes - unknown_minutes AS DOUBLE), 0) AS availability,
  1 - CAST(unknown_minutes AS DOUBLE) / NULLIF(CAST(expected_minutes AS DOUBLE), 0) AS coverage
FROM sums
