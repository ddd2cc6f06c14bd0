-- Stores by city and brand in the newest complete window of their country.
WITH sums AS (
  SELECT
    country,
    window_start,
    city,
    brand,
    MAX(local_minute) AS local_minute,
    CAST(SUM(CASE WHEN open_at_observation THEN 1 ELSE 0 END) AS BIGINT) AS stores_open_now,
    CAST(SUM(CASE WHEN status = 'available' THEN 1 ELSE 0 END) AS BIGINT) AS stores_available,
    CAST(SUM(CASE WHEN status = 'missing' THEN 1 ELSE 0 END) AS BIGINT) AS stores_missing,
    CAST(SUM(CASE WHEN status = 'rogue' THEN 1 ELSE 0 END) AS BIGINT) AS stores_rogue,
    CAST(SUM(CASE WHEN status = 'unknown' THEN 1 ELSE 0 END) AS BIGINT) AS stores_unknown,
    CAST(SUM(CASE WHEN status = 'closed' THEN 1 ELSE 0 END) AS BIGINT) AS stores_closed,
    CAST(SUM(expected_minutes) AS BIGINT) AS expected_minutes,
    CAST(SUM(available_minutes) AS BIGINT) AS available_minutes,
    CAST(SUM(unknown_minutes) AS BIGINT) AS unknown_minutes
  FROM $newest_availability f
  GROUP BY country, window_start, city, brand
)
SELECT
  country,
  window_start,
  city,
  brand,
  $local_time AS local_time,
  stores_open_now,
  stores_available,
  stores_missing,
  stores_rogue,
  stores_unknown,
  stores_closed,
  $availability AS availability,
  $coverage AS coverage
FROM sums
