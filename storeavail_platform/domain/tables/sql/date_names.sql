-- What the stores of a local date are called in the last of its windows that has name, city or brand.
SELECT f.store_id, f.name, f.city, f.brand
FROM date_stores d
JOIN named_rows f ON f.store_id = d.store_id AND f.window_start = d.named_at
