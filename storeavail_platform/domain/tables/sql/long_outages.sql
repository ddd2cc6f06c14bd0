-- How many stores have missing windows on a local date and no end before them in what is read: they were down the evening before.
SELECT COUNT(*) AS stores FROM outage_bounds WHERE from_window IS NULL
