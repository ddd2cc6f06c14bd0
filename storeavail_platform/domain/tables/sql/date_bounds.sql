-- The last window of a local date, and the newest window of all that is looked at: one row.
SELECT d.last_window, r.newest_window
FROM (SELECT MAX(last_window) AS last_window FROM date_stores) d
CROSS JOIN (SELECT MAX(window_start) AS newest_window FROM recent_windows) r
