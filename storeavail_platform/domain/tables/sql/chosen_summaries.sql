-- The summaries of chosen windows.
SELECT
  s.window_start,
  s.city,
  s.brand,
  s.stores_available,
  s.stores_missing,
  s.stores_rogue,
  s.stores_unknown,
  s.stores_closed
FROM summary_rows s
JOIN chosen_windows w ON w.window_start = s.window_start
