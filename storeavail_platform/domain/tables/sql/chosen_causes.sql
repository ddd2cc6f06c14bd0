-- The causes of chosen windows.
SELECT c.window_start, c.kind, c.scope, c.city, c.brand, c.since
FROM cause_rows c
JOIN chosen_windows w ON w.window_start = c.window_start
