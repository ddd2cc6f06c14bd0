-- Windows that were judged suspect when they were computed.
SELECT DISTINCT window_start FROM quality_rows WHERE suspect
