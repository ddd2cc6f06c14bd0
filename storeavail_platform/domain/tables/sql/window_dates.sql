-- The local dates that a window's facts are part of.
SELECT DISTINCT f.local_date
FROM window_rows f
JOIN changed_window w ON w.window_start = f.window_start
