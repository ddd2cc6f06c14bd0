-- Every store. Another schema is mapped by a query of one's own that gives the same columns (address may be left out).
-- Columns by name, so that further ones of the table do no harm; `absent` stands for an address column that is not there.
-- A join and not EXISTS: without an index on store_weekly_hours.store_id that would read all hours for every store.
SELECT s.*, h.store_id IS NOT NULL AS has_weekly_hours
FROM (SELECT NULL::text AS address) AS absent
CROSS JOIN LATERAL (SELECT store_id, name, address, city, brand, timezone, is_active FROM stores) s
LEFT JOIN (SELECT DISTINCT store_id FROM store_weekly_hours) h ON h.store_id = s.store_id
