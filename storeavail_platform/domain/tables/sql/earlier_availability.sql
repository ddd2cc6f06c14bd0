-- The earlier windows of stores whose outages have no beginning in what is read.
SELECT f.window_start, f.store_id, f.status, f.reason, f.missing_minutes, f.local_date
FROM earlier_rows f
SEMI JOIN (SELECT store_id FROM outage_bounds WHERE from_window IS NULL) o ON o.store_id = f.store_id
