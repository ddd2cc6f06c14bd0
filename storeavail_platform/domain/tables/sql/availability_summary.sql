-- Additive minutes a city and brand; shares are divided last. NULL is a group of its own.
WITH sums AS (
  SELECT
    city,
    brand,
    CAST(SUM(CASE WHEN status = 'available' THEN 1 ELSE 0 END) AS BIGINT) AS stores_available,
    CAST(SUM(CASE WHEN status = 'missing' THEN 1 ELSE 0 END) AS BIGINT) AS stores_missing,
    CAST(SUM(CASE WHEN status = 'rogue' THEN 1 ELSE 0 END) AS BIGINT) AS stores_rogue,
    CAST(SUM(CASE WHEN status = 'unknown' THEN 1 ELSE 0 END) AS BIGINT) AS stores_unknown,
    CAST(SUM(CASE WHEN status = 'closed' THEN 1 ELSE 0 END) AS BIGINT) AS stores_closed,
    CAST(SUM(expected_minutes) AS BIGINT) AS expected_minutes,
    CAST(SUM(available_minutes) AS BIGINT) AS available_minutes,
    CAST(SUM(missing_minutes) AS BIGINT) AS missing_minutes,
    CAST(SUM(rogue_minutes) AS BIGINT) AS rogue_minutes,
    CAST(SUM(unknown_minutes) AS BIGINT) AS unknown_minutes
  FROM store_availability
  GROUP BY city, brand
)
SELECT
  city,
  brand,
  stores_available,
  stores_missing,
  stores_rogue,
  stores_unknown,
  stores_closed,
  expected_minutes,
  available_minutes,
  missing_minutes,
  rogue_minutes,
  unknown_minutes,
  $availability AS availability,
  $coverage AS coverage
FROM sums
