-- The usual rates of a window's quarter hour, and of those before it.
SELECT
  s.window_start,
  r.local_date,
  r.kind,
  r.city,
  r.brand,
  r.usual,
  r.margin,
  r.margin_country,
  r.margin_city,
  r.margin_brand,
  r.past_days
FROM rate_rows r
JOIN window_slots s ON s.local_date = r.local_date AND s.local_slot = r.local_slot
