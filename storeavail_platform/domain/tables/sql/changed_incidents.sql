-- Dates before a window whose incidents end with it, or no longer end with it, by what it says now.
SELECT DISTINCT i.local_date
FROM incident_rows i
CROSS JOIN changed_window w
LEFT JOIN cause_rows c
  ON c.window_start = w.window_start
    AND c.kind = i.kind
    AND c.scope = i.scope
    AND COALESCE(c.city, '') = COALESCE(i.city, '')
    AND COALESCE(c.brand, '') = COALESCE(i.brand, '')
WHERE i.started_at < w.window_start
  AND (
    (i.ended_at IS NULL AND c.kind IS NULL)
    OR i.ended_at = w.window_start
    -- the second window without it says that it has ended with the first
    OR (i.ended_at > w.window_start AND c.kind IS NULL)
  )
