-- The windows of a local date that name a store for it: nearly all stores are named by the last one.
SELECT DISTINCT named_at FROM date_stores WHERE named_at IS NOT NULL
