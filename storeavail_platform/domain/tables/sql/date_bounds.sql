-- The last window of a local date, and the newest window of all that is looked at: one row.
SELECT d.last_window, r.newest_window
FROM (
  SELECT MAX(f.window_start) AS last_window
  FROM day_availability f
  JOIN rolled_date q ON q.local_date = f.local_date
) d
CROSS JOIN (SELECT MAX(window_start) AS newest_window FROM recent_availability) r
