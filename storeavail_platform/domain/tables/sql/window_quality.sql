-- How far the window can be trusted: counts of problems, and whether the reading as a whole looks wrong.
-- Never by the number of rows of store_hours: only rows that touch the window are read, so it falls each evening.
WITH statuses AS (
  SELECT
    COUNT(*) AS stores,
    CAST(SUM(CASE WHEN status = 'available' THEN 1 ELSE 0 END) AS BIGINT) AS available,
    CAST(SUM(CASE WHEN status = 'missing' THEN 1 ELSE 0 END) AS BIGINT) AS missing,
    CAST(SUM(CASE WHEN status = 'rogue' THEN 1 ELSE 0 END) AS BIGINT) AS rogue,
    CAST(SUM(CASE WHEN reason = 'no_hours' THEN 1 ELSE 0 END) AS BIGINT) AS without_hours,
    CAST(SUM(CASE WHEN confirmation = 'confirmed' THEN 1 ELSE 0 END) AS BIGINT) AS confirmed,
    CAST(SUM(CASE WHEN confirmation = 'contradicted' THEN 1 ELSE 0 END) AS BIGINT) AS contradicted,
    NULLIF(COUNT(confirmation), 0) AS asked,
    CAST(SUM(expected_minutes) AS BIGINT) AS expected_minutes,
    -- at the edge of opening hours nothing can be known, whatever was read
    CAST(SUM(CASE WHEN reason = 'edge' THEN 0 ELSE unknown_minutes END) AS BIGINT) AS unknown_minutes
  FROM store_availability
),
hours_read AS (
  SELECT store_id, MAX(CASE WHEN problem IS NOT NULL THEN 1 ELSE 0 END) = 1 AS has_problem
  FROM store_hours
  GROUP BY store_id
),
active AS (
  SELECT
    s.has_weekly_hours,
    s.has_weekly_hours OR h.store_id IS NOT NULL AS has_hours,
    COALESCE(h.has_problem, FALSE) AS has_problem
  FROM stores s
  LEFT JOIN hours_read h ON h.store_id = s.store_id
  WHERE s.problem IS NULL AND s.is_active
),
active_counts AS (
  SELECT
    COUNT(*) AS stores,
    CAST(SUM(CASE WHEN has_weekly_hours THEN 1 ELSE 0 END) AS BIGINT) AS with_weekly_hours,
    COALESCE(CAST(SUM(CASE WHEN has_hours THEN 1 ELSE 0 END) AS BIGINT), 0) AS with_hours,
    COALESCE(CAST(SUM(CASE WHEN has_hours AND NOT has_problem THEN 1 ELSE 0 END) AS BIGINT), 0) AS with_usable_hours
  FROM active
),
store_counts AS (
  SELECT COUNT(*) AS rows_read, COUNT(problem) AS with_problem FROM stores
),
hours_counts AS (
  SELECT
    COUNT(problem) AS with_problem,
    COALESCE(CAST(SUM(CASE WHEN store_id IS NULL THEN 1 ELSE 0 END) AS BIGINT), 0) AS of_no_store
  FROM store_hours
),
document_counts AS (
  SELECT
    COUNT(*) AS rows_read,
    COUNT(problem) AS with_problem,
    CAST(
      SUM(
        CASE
          WHEN store_id IS NOT NULL AND is_online IS NOT NULL AND COALESCE(problem, '') <> 'duplicate store_id' THEN 1
          ELSE 0
        END
      ) AS BIGINT
    ) AS usable,
    MAX(updated_at) AS newest_updated_at
  FROM online_index
),
figures AS (
  SELECT
    o.is_observed,
    o.observed_at,
    o.stores_read_at,
    o.listed,
    o.online,
    d.newest_updated_at,
    s.rows_read AS stores,
    s.with_problem AS stores_with_problem,
    h.with_problem AS hours_with_problem,
    d.with_problem AS documents_with_problem,
    CAST(t.missing AS DOUBLE) / NULLIF(CAST(t.available + t.missing AS DOUBLE), 0) AS missing_share,
    CAST(s.rows_read - s.with_problem AS DOUBLE) / NULLIF(CAST(s.rows_read AS DOUBLE), 0) AS usable_stores_share,
    CASE
      -- a row of hours that names no store stands for one whose hours are not known
      WHEN a.with_hours + h.of_no_store > 0
        THEN CAST(a.with_usable_hours AS DOUBLE) / NULLIF(CAST(a.with_hours + h.of_no_store AS DOUBLE), 0)
      WHEN a.stores > 0 AND NOT w.always_open THEN CAST(0 AS DOUBLE)
    END AS usable_hours_share,
    CAST(d.usable AS DOUBLE) / NULLIF(CAST(d.rows_read AS DOUBLE), 0) AS usable_documents_share,
    a.stores AS active_stores,
    CAST(a.with_weekly_hours AS DOUBLE) / NULLIF(CAST(a.stores AS DOUBLE), 0) AS weekly_hours_share,
    CAST(t.rogue AS DOUBLE) / NULLIF(CAST(t.stores AS DOUBLE), 0) AS rogue_share,
    CAST(t.without_hours AS DOUBLE) / NULLIF(CAST(t.stores AS DOUBLE), 0) AS no_hours_share,
    $coverage AS coverage_without_edge,
    CAST(t.asked AS BIGINT) AS stores_asked,
    CASE WHEN t.asked > 0 THEN t.confirmed END AS stores_confirmed,
    CASE WHEN t.asked > 0 THEN t.contradicted END AS stores_contradicted
  FROM observation o
  CROSS JOIN window_settings w
  CROSS JOIN statuses t
  CROSS JOIN active_counts a
  CROSS JOIN store_counts s
  CROSS JOIN hours_counts h
  CROSS JOIN document_counts d
),
judged AS (
  SELECT
    f.*,
    -- less than half of it usable; as many again: another list of stores
    CASE
      WHEN f.is_observed THEN
        CASE WHEN 2 * f.usable_stores_share < 1 THEN '; few usable stores' ELSE '' END
        || CASE WHEN 2 * f.usable_documents_share < 1 THEN '; few usable documents' ELSE '' END
        || CASE WHEN 2 * f.usable_hours_share < 1 THEN '; few usable hours' ELSE '' END
        || CASE
          WHEN b.listed > 0 AND CAST(f.listed AS DOUBLE) < (1 - s.listed_drop) * CAST(b.listed AS DOUBLE)
            THEN '; listed stores dropped'
          WHEN b.listed > 0 AND f.listed >= 2 * b.listed THEN '; listed stores doubled'
          ELSE ''
        END
        || CASE
          WHEN b.active_stores > 0
            AND CAST(f.active_stores AS DOUBLE) < (1 - s.listed_drop) * CAST(b.active_stores AS DOUBLE)
            THEN '; active stores dropped'
          WHEN b.active_stores > 0 AND f.active_stores >= 2 * b.active_stores THEN '; active stores doubled'
          ELSE ''
        END
        || CASE
          WHEN f.weekly_hours_share < (1 - s.listed_drop) * b.weekly_hours_share THEN '; share with weekly hours dropped'
          ELSE ''
        END
        || CASE
          WHEN b.coverage_without_edge - f.coverage_without_edge > s.coverage_drop THEN '; coverage dropped'
          ELSE ''
        END
        || CASE WHEN f.missing_share - b.missing_share > s.missing_rise THEN '; missing share rose' ELSE '' END
        || CASE WHEN f.rogue_share - b.rogue_share > s.missing_rise THEN '; rogue share rose' ELSE '' END
        || CASE WHEN f.no_hours_share - b.no_hours_share > s.missing_rise THEN '; share without hours rose' ELSE '' END
        || CASE WHEN f.newest_updated_at < s.stale_before THEN '; index is stale' ELSE '' END
        -- of so few that one or two came back meanwhile it says nothing
        || CASE
          WHEN f.stores_confirmed + f.stores_contradicted >= 5 AND f.stores_contradicted >= f.stores_confirmed
            THEN '; half of the missing contradicted'
          ELSE ''
        END
      ELSE ''
    END AS suspect_reasons,
    CASE WHEN f.is_observed THEN b.window_start END AS baseline_window
  FROM figures f
  CROSS JOIN window_settings s
  LEFT JOIN baseline b ON TRUE
)
SELECT
  observed_at,
  stores_read_at,
  listed,
  online,
  newest_updated_at,
  stores,
  stores_with_problem,
  hours_with_problem,
  documents_with_problem,
  missing_share,
  usable_stores_share,
  usable_hours_share,
  usable_documents_share,
  active_stores,
  weekly_hours_share,
  rogue_share,
  no_hours_share,
  coverage_without_edge,
  stores_asked,
  stores_confirmed,
  stores_contradicted,
  CAST(stores_confirmed AS DOUBLE) / NULLIF(CAST(stores_asked AS DOUBLE), 0) AS confirmed_share,
  CAST(stores_contradicted AS DOUBLE) / NULLIF(CAST(stores_asked AS DOUBLE), 0) AS contradicted_share,
  CAST(stores_asked - stores_confirmed - stores_contradicted AS DOUBLE)
    / NULLIF(CAST(stores_asked AS DOUBLE), 0) AS not_answered_share,
  suspect_reasons <> '' AS suspect,
  NULLIF(SUBSTRING(suspect_reasons, 3), '') AS suspect_reason,
  baseline_window
FROM judged
