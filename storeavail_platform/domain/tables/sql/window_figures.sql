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
  MAX(q.active_stores) AS active_stores,
  MAX(q.weekly_hours_share) AS weekly_hours_share,
  MAX(q.rogue_share) AS rogue_share,
  MAX(q.no_hours_share) AS no_hours_share,
  MAX(q.coverage_without_edge) AS coverage_without_edge,
  MAX(q.stores_with_problem) AS stores_with_problem,
  MAX(q.hours_with_problem) AS hours_with_problem,
  MAX(q.documents_with_problem) AS documents_with_problem,
  MAX(q.suspect) AS suspect,
  MAX(q.suspect_reason) AS suspect_reason
FROM window_quality q LEFT JOIN availability_summary s ON TRUE
