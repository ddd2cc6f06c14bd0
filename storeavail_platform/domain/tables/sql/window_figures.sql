-- A window's figures for the whole country, as its marker keeps them: one row.
SELECT
  COALESCE(CAST(SUM(s.expected_minutes) AS BIGINT), 0) AS expected_minutes,
  COALESCE(CAST(SUM(s.available_minutes) AS BIGINT), 0) AS available_minutes,
  COALESCE(CAST(SUM(s.missing_minutes) AS BIGINT), 0) AS missing_minutes,
  COALESCE(CAST(SUM(s.unknown_minutes) AS BIGINT), 0) AS unknown_minutes,
  COALESCE(CAST(SUM(s.rogue_minutes) AS BIGINT), 0) AS rogue_minutes,
  COALESCE(CAST(SUM(s.stores_missing) AS BIGINT), 0) AS stores_missing,
  COALESCE(CAST(SUM(s.stores_rogue) AS BIGINT), 0) AS stores_rogue,
  MAX(q.listed) AS listed,
  MAX(q.missing_share) AS missing_share,
  MAX(q.suspect) AS suspect,
  MAX(q.suspect_reason) AS suspect_reason
FROM window_quality q LEFT JOIN availability_summary s ON TRUE
