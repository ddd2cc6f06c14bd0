-- Windows in which the index was read, and whether they were judged suspect.
SELECT DISTINCT window_start, suspect FROM quality_rows WHERE observed_at IS NOT NULL
