-- The stores with a missing window on a local date. What lies beyond the last end before these windows, and the first one after
-- them, has no part in their outages.
SELECT d.store_id, b.from_window, b.to_window
FROM date_stores d
LEFT JOIN (
  SELECT
    f.store_id,
    MAX(CASE WHEN f.window_start < d.first_missing THEN f.window_start END) AS from_window,
    MIN(CASE WHEN f.window_start > d.last_missing THEN f.window_start END) AS to_window
  FROM recent_availability f
  JOIN date_stores d ON d.store_id = f.store_id
  ANTI JOIN suspect_windows s ON s.window_start = f.window_start
  WHERE (f.status IN ('available', 'rogue') OR f.reason = 'inactive')
    AND d.first_missing IS NOT NULL
  GROUP BY f.store_id
) b ON b.store_id = d.store_id
WHERE d.first_missing IS NOT NULL
