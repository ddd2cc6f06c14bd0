-- Every store. Another schema is mapped by a query of one's own that gives the same columns (address may be left out).
SELECT
  s.*,
  EXISTS (SELECT 1 FROM store_weekly_hours h WHERE h.store_id = s.store_id) AS has_weekly_hours
FROM stores s
