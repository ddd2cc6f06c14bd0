-- The time zones that stores have in a window.
SELECT DISTINCT s.timezone
FROM window_stores s
JOIN changed_window w ON w.window_start = s.window_start
