-- The time zone that most of a city's stores name in a window; empty for the country's.
WITH counted AS (
  SELECT s.city, COALESCE(s.timezone, '') AS timezone, COUNT(*) AS stores
  FROM window_stores s
  JOIN changed_window w ON w.window_start = s.window_start
  GROUP BY s.city, COALESCE(s.timezone, '')
),
most AS (
  SELECT city, MAX(stores) AS stores FROM counted GROUP BY city
)
SELECT c.city, MIN(c.timezone) AS timezone
FROM counted c
JOIN most m ON m.city = c.city AND m.stores = c.stores
GROUP BY c.city
