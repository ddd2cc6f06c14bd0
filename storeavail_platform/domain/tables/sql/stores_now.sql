-- Every store in the newest complete window of its country.
SELECT
  f.country,
  f.window_start,
  f.store_id,
  f.name,
  f.city,
  f.brand,
  f.status,
  f.reason,
  f.open_at_observation AS is_open_now,
  f.is_online,
  f.observed_at,
  f.local_date,
  $local_time AS local_time
FROM $newest_availability f
