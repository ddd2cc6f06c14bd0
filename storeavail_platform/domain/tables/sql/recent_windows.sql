-- The windows of what is read. One that nobody computed is not there.
SELECT window_start FROM recent_availability
UNION
SELECT window_start FROM earlier_rows
