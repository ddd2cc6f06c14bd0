-- Dates before a window whose outages end with it, or no longer end with it, by what it says now.
SELECT DISTINCT o.local_date
FROM outage_rows o
CROSS JOIN changed_window w
LEFT JOIN window_rows f ON f.store_id = o.store_id AND f.window_start = w.window_start
LEFT JOIN suspect_windows s ON s.window_start = w.window_start
WHERE o.started_at <= w.window_start
  AND (o.ended_at IS NULL OR o.ended_at >= w.window_start)
  -- what the window says now is not what the outage was decided by; a suspect one ends nothing
  AND COALESCE(o.ended_at = w.window_start, FALSE)
    <> (
      s.window_start IS NULL
      AND (f.store_id IS NULL OR f.status IN ('available', 'rogue') OR COALESCE(f.reason, '') = 'inactive')
    )
